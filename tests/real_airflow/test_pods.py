"""Workers that have only what a pod has, without a cluster: an image by the steps of the Dockerfile, and namespaces.

Each task is a process of its own mount, process and network namespace: the file system read-only but ``/tmp`` and the
logs, another uid, no way to any network but one address, and no variable but those of ``docs/deploy/pod_template.yaml``
and of the image. The other components have what ``docs/deploy/values.yaml`` gives them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography.fernet import Fernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.cli.demo.airflow import ThrowawayAirflow, connection_of, free_port
from airflow_wxa.sandbox import AuditPlan, World, serve
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET, COMPONENT_VERIFY_TICKET, REFRESH_TOKEN
from airflow_wxa.store import Store
from airflow_wxa.store.fleets import Fleets, RunKey
from tests.real_airflow.airflows import CODE, ROOT, Run, assert_rows, build_wheel, mini_program
from tests.real_airflow.airflows import world as world_of
from tests.store.databases import programs_of_postgresql, running, server_home, server_user

pytestmark = [
    pytest.mark.real_airflow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="namespaces are root's to make"),
    pytest.mark.skipif(programs_of_postgresql() is None, reason="PostgreSQL is not installed"),
]

DEPLOY: Final = ROOT / "docs" / "deploy"
NODE: Final = "10.77.0.1"  # of the machine, as the pods see it
SECONDS: Final = 400.0
UID: Final = 50000  # of Airflow's image
FLEET: Final = [f"wx{number:016x}" for number in range(1, 61)]
ALONE: Final = "wx00000000000000ff"
SECRETS: Final = ("AIRFLOW_CONN_WXA_DEFAULT", "AIRFLOW__WXA__SQL_ALCHEMY_CONN", "AIRFLOW__WXA__ENCRYPTION_KEYS")
#: What the image holds lies in PLACE; /root, where an interpreter may live, is left out but for the interpreter.
MOUNTS: Final = """
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/airflow /opt/image
mount --bind "$PLACE/airflow" /opt/airflow
mount --bind "$PLACE/image" /opt/image
"""
BUILD: Final = (
    MOUNTS
    + """
[ -e /opt/image/bin/python ] || "$PYTHON" -m venv /opt/image
mount --bind "$PLACE/tmp" /tmp
exec bash -euo pipefail -c "$1"
"""
)
POD: Final = (
    MOUNTS
    + """
mkdir /opt/base
mount --bind "$BASE" /opt/base
mount -t tmpfs tmpfs "$CHECKOUT"
mount -t tmpfs -o mode=755 tmpfs /root
case "$BASE" in /root/*) mkdir -p "$BASE"; mount --bind /opt/base "$BASE";; esac
mount --bind "$PLACE/passwd" /etc/passwd
mount -o remount,bind,ro /opt/airflow
mount -o remount,bind,ro /opt/image
mount -o remount,ro /opt
mount -t tmpfs -o mode=1777 tmpfs /opt/airflow/logs
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -o remount,bind,ro /
cd /opt/airflow
exec setpriv --reuid "$UID_OF_POD" --regid 0 --clear-groups --no-new-privs env -i "$@"
"""
)


@dataclass(frozen=True)
class Image:
    """What the steps of the Dockerfile make, below ``place``."""

    place: Path
    steps: list[str]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that Airflow's image sets."""
        return {"PATH": "/opt/image/bin:/usr/bin:/bin", "AIRFLOW_HOME": "/opt/airflow", "LANG": "C.UTF-8"}

    def pod(self, namespace: str, environment: Mapping[str, str], *command: str) -> list[str]:
        """Return the command that runs another one as a pod does."""
        given = {"PLACE": self.place, "BASE": sys.base_prefix, "CHECKOUT": ROOT, "UID_OF_POD": UID}
        given["PATH"] = os.environ["PATH"]
        variables = [f"{name}={value}" for name, value in {**self.environment, **environment}.items()]
        head = ["nsenter", f"--net=/run/netns/{namespace}", "unshare", "-m", "-p", "-f", "--mount-proc", "env", "-i"]
        return [*head, *(f"{k}={v}" for k, v in given.items()), "bash", "-c", POD, "pod", *variables, *command]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Carry out the Dockerfile: COPY as it says, each RUN in a namespace where /tmp and /opt are the image's."""
    place = Path(tempfile.mkdtemp(prefix="wxa-image-"))
    place.chmod(0o755)
    for name in ("image", "airflow/logs", "tmp"):
        (place / name).mkdir(parents=True)
    (place / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nairflow:x:{UID}:0::/home/airflow:/bin/sh\n", "utf-8")
    values = {"AIRFLOW_VERSION": version("apache-airflow-core"), "AIRFLOW_HOME": "/opt/airflow"}
    inside = {"/tmp/": place / "tmp", "/opt/airflow/": place / "airflow"}
    build_wheel(place / "dist")
    sources = {"dist/": place / "dist", "dags/": ROOT / "dags"}
    steps = []
    try:
        for instruction, said in re.findall(
            r"^(RUN|COPY) (.+)$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE
        ):
            if instruction == "COPY":
                source, target = re.sub(r"\$\{(\w+)\}", lambda name: values[name[1]], said).split()
                (top,) = [each for each in inside if target.startswith(each)]
                shutil.copytree(sources[source], inside[top] / target.removeprefix(top), dirs_exist_ok=True)
            else:
                run(place, values, said)
            steps.append(f"{instruction} {said}")
        yield Image(place, steps)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def run(place: Path, values: Mapping[str, str], step: str) -> None:
    given = {"PLACE": str(place), "PYTHON": sys.executable}
    environment = os.environ | values | given | {"PATH": f"/opt/image/bin:{os.environ['PATH']}"}
    command = ["unshare", "-m", "bash", "-c", BUILD, "build", step]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{step}: {ended.stderr}"


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    """Make a network namespace for the pods, whose only way out is the machine's address."""
    name = f"wxa-{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", "wxa-node", "type", "veth", "peer", "name", "wxa-pod", "netns", name)
        ip("addr", "add", f"{NODE}/24", "dev", "wxa-node")
        ip("link", "set", "wxa-node", "up")
        ip("-n", name, "addr", "add", "10.77.0.2/24", "dev", "wxa-pod")
        for device in ("lo", "wxa-pod"):
            ip("-n", name, "link", "set", device, "up")
        yield name
    finally:
        ip("netns", "delete", name)


@contextmanager
def postgresql(address: str) -> Iterator[str]:
    """Give the URL of a database that the pods reach."""
    programs = programs_of_postgresql()
    assert programs is not None
    home, port = server_home("wxa-pods-"), free_port()
    made: list[str | Path] = [programs / "initdb", "-D", "data", "-A", "trust", "-U", "airflow", "--no-sync"]
    try:
        subprocess.run(made, **server_user(home), check=True, capture_output=True)
        with (home / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {address}/24 trust\n")
        options = ["--fsync=off", "--unix_socket_directories=", f"--listen_addresses=127.0.0.1,{address}"]
        with running(home, [programs / "postgres", "-D", "data", "-p", str(port), *options], port):
            yield f"postgresql+psycopg2://airflow@{address}:{port}/postgres"
    finally:
        shutil.rmtree(home, ignore_errors=True)


class OnANode(ThrowawayAirflow):
    """An Airflow whose API server listens where the pods are."""

    @property
    def url(self) -> str:
        return f"http://{NODE}:{self.port}"


def world() -> World:
    issued = {"authorizer_access_token": "", "audit": AuditPlan(polls=1)}
    merchants = (mini_program(appid, refresh_token=f"{REFRESH_TOKEN} {appid}", **issued) for appid in (ALONE, *FLEET))
    secrets = {"component_appsecret": COMPONENT_APPSECRET, "component_verify_ticket": COMPONENT_VERIFY_TICKET}
    return world_of(merchants, component_access_token="", audit_limit=1000, **secrets)


def secret(connection: str, store: str, keys: str) -> dict[str, str]:
    """Return the secret that the head of values.yaml makes, as variables of every component."""
    values = {"connection": connection, "store": store, "keys": keys}
    chart = yaml.safe_load((DEPLOY / "values.yaml").read_text("utf-8"))
    plain = {each["name"]: each["value"] for each in chart["env"]}
    return plain | {each["envName"]: values[each["secretKey"]] for each in chart["secret"]}


def of_template(secrets: Mapping[str, str], url: str) -> dict[str, str]:
    """Return the variables of the pod template, and the one that Kubernetes adds to every pod."""
    (container,) = yaml.safe_load((DEPLOY / "pod_template.yaml").read_text("utf-8"))["spec"]["containers"]
    said = {each["name"]: each.get("value") or secrets[each["name"]] for each in container["env"]}
    return said | {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    }


def test_a_pod_has_what_it_is_given_and_a_file_as_store_is_refused_there(image: Image, network: str) -> None:
    pod = of_template(dict.fromkeys(SECRETS, "secret"), f"http://{NODE}:1")

    def seen(environment: Mapping[str, str], *command: str) -> tuple[str, str]:
        ended = subprocess.run(
            image.pod(network, environment, *command), capture_output=True, text=True, check=False, timeout=120
        )
        return ended.stdout, ended.stderr

    said, refused = seen(
        pod, "bash", "-c", "id -u; touch /opt/airflow/x; touch /x; env; ls -A /root; ip -br addr || true"
    )
    names = {each.partition("=")[0] for each in said.splitlines() if "=" in each}
    assert refused.count("Read-only file system") == 2
    assert names - {"_", "SHLVL", "PWD"} == {*pod, *image.environment}
    for left_out, cause in (
        ({"AIRFLOW__WXA__SQL_ALCHEMY_CONN"}, "this is a Kubernetes pod: its files end with it"),
        ({"AIRFLOW__WXA__SQL_ALCHEMY_CONN", "KUBERNETES_SERVICE_HOST"}, "Read-only file system"),
    ):
        environment = {name: value for name, value in pod.items() if name not in left_out}
        _, refusal = seen(environment, "python", "-c", "from airflow_wxa.hooks.store import open_ledger; open_ledger()")
        assert cause in refusal
    assert_rows({"read-only home, another uid": (said.splitlines()[0], str(UID))})


def test_a_release_and_a_fleet_by_pods(tmp_path: Path, image: Image, network: str) -> None:
    key = Fernet.generate_key().decode()
    with ExitStack() as stack:
        wechat = stack.enter_context(serve(world(), host=NODE))
        store = stack.enter_context(postgresql(NODE))
        Store(store, [key]).put_renewals(COMPONENT_APPID, {THE_PLATFORM: Secret(COMPONENT_VERIFY_TICKET)})
        Store(store, [key]).put_renewals(
            COMPONENT_APPID, {each.appid: Secret(each.refresh_token) for each in wechat.world.mini_programs}
        )
        connection = json.loads(connection_of(wechat.url, COMPONENT_APPID, COMPONENT_APPSECRET))
        secrets = secret(json.dumps(connection | {"extra": {"allow_http": True}}), store, key)
        dags = {each.name: each.read_text("utf-8") for each in (ROOT / "dags").glob("wxa_*.py")}
        airflow = OnANode(home=tmp_path, environment={}, dags=dags)
        pod = of_template(secrets, airflow.url)
        workload = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string"]
        airflow.environment = secrets | {
            "AIRFLOW__CORE__EXECUTOR": "pods.PodExecutor",
            "AIRFLOW__API__HOST": NODE,
            "PYTHONPATH": str(Path(__file__).parent),
            "POD_COMMAND": json.dumps(image.pod(network, pod, *workload)),
            "POD_LOG": str(tmp_path / "pods.log"),
            "no_proxy": NODE,
            "NO_PROXY": NODE,
        }
        stack.callback(airflow.stop)
        airflow.start("wxa_release", "wxa_fleet_release", patience=SECONDS)
        release = {**CODE, "domain_action": "set"}
        alone = Run(airflow, "wxa_release").triggered({"appid": ALONE, **release})
        manifest = yaml.safe_dump({"release": release, "apps": FLEET, "waves": {"canary": {"apps": 5}}})
        fleet = Run(airflow, "wxa_fleet_release")
        fleet.triggered({"manifest": manifest, "approval": False, "shard_size": 30})
        alone.waits("approve_release", SECONDS).answer("approve_release")
        states = [alone.ends(SECONDS), fleet.ends(SECONDS)]
        outcomes = [each.outcome for each in Fleets(store).apps(RunKey("wxa_fleet_release", "run"))]
        sent = sorted(each.appid for each in wechat.journal if (each.path, each.errcode) == ("/wxa/release", 0))
        log = (tmp_path / "pods.log").read_text("utf-8", "replace")
        assert states == ["success", "success"], log[-3000:]
    assert [secret for secret in (key, COMPONENT_APPSECRET) if secret in log] == []
    assert_rows(
        {
            "the Dockerfile without a builder": ({each.split()[0] for each in image.steps}, {"RUN", "COPY"}),
            "a pod's environment": ((outcomes, sent), (["released"] * len(FLEET), sorted([ALONE, *FLEET]))),
        }
    )

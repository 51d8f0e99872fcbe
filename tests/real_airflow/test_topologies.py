"""Airflow as platforms run it: each row a release on a real one; one command prints the table.

``pytest -m real_airflow -n0 -s tests/real_airflow/test_topologies.py``; ``docs/reference/topologies.md`` names them,
and those of ``test_pods.py`` and ``test_upgrade.py``.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.cli.demo.airflow import COMPONENTS, DAGS, LOOPBACK, ThrowawayAirflow
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World
from airflow_wxa.sandbox.server import serve
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.real_airflow.airflows import (
    ENDED,
    WAITING,
    OfVersion,
    connection,
    end_of,
    installed,
    started,
    state_of,
    until,
)
from tests.real_airflow.airflows import SOON as SOON_AT_WECHAT
from tests.tables import print_rows

pytestmark = pytest.mark.real_airflow

ROOT: Final = Path(__file__).parents[2]
OLDER, DAY_OF_OLDER = "3.2.2", "2026-05-30"
DAG_ID: Final = "wxa_release"
PARAMS: Final = {
    "appid": APPID,
    "webviewdomain": ["https://m.example.com"],
    "template_id": 47,
    "user_version": "1.4.0",
    "approval": False,
}
SOON: Final = SOON_AT_WECHAT | {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
}


@pytest.fixture
def wxa_world(wxa_world: World) -> World:
    for account in wxa_world.mini_programs:
        account.audit, account.scan_polls = AuditPlan(polls=1), 0
    return wxa_world


def release(airflow: ThrowawayAirflow, dag_id: str = DAG_ID, **conf: Any) -> None:
    airflow.api.trigger(dag_id, "run", PARAMS | conf)
    succeeded(airflow, dag_id)


def succeeded(airflow: ThrowawayAirflow, dag_id: str = DAG_ID) -> None:
    ended = end_of(airflow, dag_id)
    tasks = airflow.api.task_instances(dag_id, "run")
    failed = {each.task_id: airflow.api.error_text(dag_id, "run", each) for each in tasks if each.state == "failed"}
    assert (ended, failed) == ("success", {})


def texts_below(*folders: Path) -> str:
    return "".join(path.read_text("utf-8", "replace") for each in folders for path in each.rglob("*") if path.is_file())


class Collector(ThreadingHTTPServer):
    """Takes whatever an exporter of OpenTelemetry sends."""

    daemon_threads = True

    def __init__(self) -> None:
        taken: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__((LOOPBACK, 0), Handler)
        self.taken = taken
        threading.Thread(target=self.serve_forever, daemon=True).start()


PLATFORM_MODULE: Final = '''
import json, uuid
from pathlib import Path

from airflow.sdk.bases.xcom import BaseXCom

HERE = Path(__file__).parent


class FileXCom(BaseXCom):
    """Values in files, their names in the database, as backends on buckets do."""

    @staticmethod
    def serialize_value(value, **_):
        name = f"{uuid.uuid4()}.json"
        (HERE / "xcom" / name).write_text(json.dumps(value))
        return BaseXCom.serialize_value(f"file:{name}")

    @staticmethod
    def deserialize_value(result):
        value = BaseXCom.deserialize_value(result)
        if isinstance(value, str) and value.startswith("file:"):
            return json.loads((HERE / "xcom" / value[5:]).read_text())
        return value


def noted(context):
    (HERE / "told" / "dag").write_text(context["dag_run"].run_id)


async def late(context=None, **_):
    (HERE / "told" / "deadline").write_text("late")
'''
LOGS_MODULE: Final = '''
import shutil
from pathlib import Path

from airflow.config_templates.airflow_local_settings import BASE_LOG_FOLDER
from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG as LOGGING_CONFIG

REMOTE = Path(__file__).parent / "remote-logs"


class Logs:
    """Moves a task's log away when the task ends, as handlers of object stores do with delete_local_logs."""

    processors = ()

    def upload(self, path, ti=None):
        local = Path(BASE_LOG_FOLDER).expanduser() / path
        (REMOTE / path).parent.mkdir(parents=True, exist_ok=True)
        if local.exists():
            with (REMOTE / path).open("a") as remote:
                remote.write(local.read_text())
            local.unlink()

    def read(self, relative_path, ti):
        return ["remote"], [(REMOTE / relative_path).read_text()]


REMOTE_TASK_LOG = Logs()
DEFAULT_REMOTE_CONN_ID = None
'''
PLATFORM_DAGS: Final = {
    "wxa_release.py": """
from datetime import timedelta

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

from airflow_wxa.dags.wxa_release import release_dag
from platform_module import late, noted

dag = release_dag(
    on_success_callback=noted,
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=1), callback=AsyncCallback(late)
    ),
)
"""
}


class BelowAPath(ThrowawayAirflow):
    """An Airflow whose ``[api] base_url`` has a path."""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/team-a"


@pytest.mark.skipif(
    not {"apache-airflow-providers-openlineage", "opentelemetry-exporter-otlp-proto-http"}
    <= {each.name for each in distributions()},
    reason="needs the extra topologies",
)
def test_what_a_platform_adds(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    place = tmp_path / "platform"
    for folder in ("xcom", "told"):
        (place / folder).mkdir(parents=True)
    (place / "platform_module.py").write_text(PLATFORM_MODULE, "utf-8")
    (place / "platform_logs.py").write_text(LOGS_MODULE, "utf-8")
    (place / "connections.json").write_text(json.dumps({"wxa_default": json.loads(connection(wxa_sandbox))}))
    collector = Collector()
    environment = SOON | {
        "PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]),
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(place / "connections.json")}),
        "AIRFLOW__CORE__XCOM_BACKEND": "platform_module.FileXCom",
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "platform_logs.LOGGING_CONFIG",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(place / "lineage.jsonl"), "append": True}
        ),
        "AIRFLOW__TRACES__OTEL_ON": "True",
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__OTEL_HOST": LOOPBACK,
        "AIRFLOW__METRICS__OTEL_PORT": str(collector.server_port),
        "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": "1000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{collector.server_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
    }
    airflow = BelowAPath(home=tmp_path, environment=environment, dags=PLATFORM_DAGS)
    base = airflow.url
    with started(airflow, DAG_ID):
        release(airflow)
        until((place / "told" / "dag").exists, "no callback of the DAG")
        until((place / "told" / "deadline").exists, "no callback of the deadline")
        (published,) = until(lambda: datasets(place / "lineage.jsonl"), "no dataset in the lineage")
        client = airflow.api._client
        run = f"{base}/api/v2/dags/{DAG_ID}/dagRuns/run/taskInstances/release"
        links = client.get(f"{run}/links").json()["extra_links"]
        board = client.get(links["Mini Program 小程序"])
        log = client.get(f"{run}/logs/1", params={"full_content": "true"}, headers={"Accept": "application/json"}).text
    collector.shutdown()
    collector.server_close()
    assert links["Mini Program 小程序"].startswith(f"{base}/wxa/board/")
    assert (board.status_code, "1.4.0" in board.text) == (200, True)
    moved = [*(place / "remote-logs").rglob("task_id=release/*.log")]
    assert (len(moved), [*(tmp_path / "logs").rglob("task_id=release/*.log")]) == (1, [])
    assert f"1.4.0 of {APPID} is online" in log
    in_files = [*(place / "xcom").iterdir()]
    assert len(in_files) > 5
    sent = b"".join(body for _, body in collector.taken)
    everything = texts_below(place / "xcom", place / "remote-logs", tmp_path / "logs")
    everything += (place / "lineage.jsonl").read_text() + sent.decode("utf-8", "replace")
    assert [secret for secret in (MERCHANT_TOKEN, PLATFORM_TOKEN) if secret in everything] == []
    assert {path for path, _ in collector.taken} >= {"/v1/traces", "/v1/metrics"}
    print_rows(
        {
            "below a path": f"links beside tasks lead to {base}/wxa/board/…, which answers 200",
            "secrets backend": "LocalFilesystemBackend: no Connection in the environment or the database",
            "custom XCom backend": f"{len(in_files)} values in files, the board reads the ledger",
            "remote logging": "a handler that moves logs away; the log is read from there, no token in it",
            "OpenLineage": f"release names the dataset {published}",
            "OpenTelemetry": f"{len(sent)} bytes of traces and metrics, no token in them",
            "DAG and deadline callbacks": "both were called",
        }
    )


def datasets(file: Path) -> set[str]:
    """Return the datasets that tasks named ``release`` wrote."""
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    written = [each for event in events if event["job"]["name"].endswith(".release") for each in event["outputs"]]
    return {f"{each['namespace']}/{each['name']}" for each in written if each["namespace"].startswith("wxa:")}


class OfTeams(ThrowawayAirflow):
    """An Airflow of two teams, each with a bundle, an executor and a Connection of its own."""

    TEAMS = ("team_a", "team_b")

    def component_env(self) -> dict[str, str]:
        """Tell the executor of each team where the execution API is: it reads nothing that is not its team's."""
        place = "___CORE__EXECUTION_API_SERVER_URL"
        return super().component_env() | {
            f"AIRFLOW__{each.upper()}{place}": f"{self.url}/execution/" for each in self.TEAMS
        }

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        if name == "api-server":
            for team in self.TEAMS:
                command = [sys.executable, "-m", "airflow", "teams", "create", team]
                subprocess.run(command, env=self.component_env(), cwd=self.home, check=True, capture_output=True)
        return super()._spawn(name, arguments)


def test_two_teams(tmp_path: Path, wxa_sandbox: RunningSandbox, wxa_world: World) -> None:
    bundles = []
    for team in OfTeams.TEAMS:
        (tmp_path / f"of_{team}").mkdir()
        text = DAGS["wxa_release.py"].replace("release_dag()", f'release_dag("{team}_release")')
        (tmp_path / f"of_{team}" / "release.py").write_text(text, "utf-8")
        kwargs = {"path": str(tmp_path / f"of_{team}")}
        path = "airflow.dag_processing.bundles.local.LocalDagBundle"
        bundles.append({"name": team, "classpath": path, "kwargs": kwargs, "team_name": team})
    with serve(World.from_json(wxa_world.to_json(tokens=True))) as other:
        environment = SOON | {
            "AIRFLOW__CORE__MULTI_TEAM": "True",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor;team_a=LocalExecutor;team_b=LocalExecutor",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW_CONN__TEAM_A___WXA_DEFAULT": connection(wxa_sandbox),
            "AIRFLOW_CONN__TEAM_B___WXA_DEFAULT": connection(other),
        }
        with started(
            OfTeams(home=tmp_path, environment=environment, dags={}), "team_a_release", "team_b_release"
        ) as up:
            release(up, "team_a_release")
            release(up, "team_b_release", user_version="2.0.0")
            client = up.api._client
            query = {"dag_id": "team_b_release", "run_id": "run"}
            picture = client.get(f"{up.url}/wxa/trial/{APPID}", params=query)
        versions = [each.world.mini_program(APPID).release_info["release_version"] for each in (wxa_sandbox, other)]
    assert versions == ["1.4.0", "2.0.0"]
    assert picture.status_code == 200, picture.text
    print_rows({"two teams, an executor each": f"each released with its own Connection: {versions}; trial QR code 200"})


DRIFT: Final = """
from datetime import datetime

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag

dag = domain_drift_dag(schedule="@daily", start_date=datetime(2026, 11, 1), is_paused_upon_creation=False)
"""
CHANGED: Final = """
from airflow_wxa.dags.wxa_release import release_dag

dag = release_dag(tags=["changed"], defaults={"audit_timeout_hours": 100}, overrides={"verify_release": {"retries": 5}})
"""


def test_what_happens_in_flight(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    account = wxa_sandbox.world.mini_program(APPID)
    account.audit = AuditPlan(polls=10**6)
    environment = SOON | {"AIRFLOW_CONN_WXA_DEFAULT": connection(wxa_sandbox)}
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment, dags=DAGS | {"drift.py": DRIFT})
    with started(airflow, DAG_ID, "wxa_domain_drift"):
        airflow.api.trigger(DAG_ID, "run", PARAMS)
        until(lambda: state_of(airflow, DAG_ID, "run", "wait_for_audit") == "deferred", "the wait was not deferred")
        (triggerer,) = [each for each in airflow.processes.components if each.name == "triggerer"]
        triggerer.process.kill()
        triggerer.process.wait()
        airflow.processes.components.remove(triggerer)
        airflow._spawn("triggerer", COMPONENTS["triggerer"])
        (tmp_path / "dags" / "wxa_release.py").write_text(CHANGED, "utf-8")
        tags = f"{airflow.url}/api/v2/dags/{DAG_ID}"
        client = airflow.api._client
        until(
            lambda: [each["name"] for each in client.get(tags).json()["tags"]] == ["changed"], "it was not read again"
        )
        begin = time.monotonic()
        account.sheets[-1].stage = Stage.APPROVED
        succeeded(airflow)
        woke = time.monotonic() - begin
        published = wxa_sandbox.journal.count("/wxa/release")
        cleared = {"dry_run": False, "dag_run_id": "run", "task_ids": ["release"], "include_downstream": True}
        client.post(f"{tags}/clearTaskInstances", json=cleared | {"only_failed": False}).raise_for_status()
        until(lambda: airflow.api.run_states(DAG_ID)["run"] != "success", "Clear did nothing")
        succeeded(airflow)
        again = airflow.api.xcom(DAG_ID, "run", "release")["outcome"]
        days = {"from_date": "2026-11-10T00:00:00Z", "to_date": "2026-11-11T00:00:00Z"}
        client.post(f"{airflow.url}/api/v2/backfills", json={"dag_id": "wxa_domain_drift", **days}).raise_for_status()
        runs = until(lambda: backfilled(airflow), "the backfill goes on and on")
    assert (published, wxa_sandbox.journal.count("/wxa/release"), again) == (1, 1, "already_released")
    assert set(runs.values()) == {"success"}
    print_rows(
        {
            "triggerer killed and started, a wait in flight": f"the run ended {woke:.0f} s after the review",
            "DAG file changed, a run in flight": "the run ended with the changed file",
            "Clear": f"release again: {again}, sent to WeChat once",
            "backfill": f"{len(runs)} days of wxa_domain_drift: success",
        }
    )


def backfilled(airflow: ThrowawayAirflow) -> dict[str, str]:
    runs = {name: each for name, each in airflow.api.run_states("wxa_domain_drift").items() if "backfill" in name}
    return runs if len(runs) == 2 and set(runs.values()) <= ENDED else {}


def newest_prerelease() -> str:
    """Return the newest version of Airflow on the index where it is a pre-release, else an empty text."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--prerelease", "allow", "--no-deps", "--quiet"]
    asked = subprocess.run(command, input="apache-airflow", capture_output=True, text=True, check=True)
    newest = re.search(r"^apache-airflow==(\S+)", asked.stdout, re.MULTILINE)
    return newest[1] if newest and re.search(r"[a-z]", newest[1]) else ""


@pytest.mark.parametrize("is_older", [True, False], ids=["3.2", "pre-release"])
def test_another_version(tmp_path: Path, wxa_sandbox: RunningSandbox, *, is_older: bool) -> None:
    """Install Airflow as its day had it, then this package as anybody does; release, with an approval."""
    wanted = OLDER if is_older else newest_prerelease()
    if not wanted:
        pytest.skip("the newest Airflow on the index is no pre-release")
    airflow_alone = [f"apache-airflow=={wanted}", *(["--exclude-newer", DAY_OF_OLDER] if is_older else [])]
    python = installed(tmp_path / "venv", airflow_alone, [f"apache-airflow=={wanted}", str(ROOT)])
    environment = SOON | {"AIRFLOW_CONN_WXA_DEFAULT": connection(wxa_sandbox)}
    airflow = OfVersion(home=tmp_path, environment=environment)
    airflow.python = python
    with started(airflow, DAG_ID):
        airflow.api.trigger(DAG_ID, "run", PARAMS | {"approval": True})
        until(lambda: state_of(airflow, DAG_ID, "run", "approve_release") in WAITING, "nobody was asked")
        time.sleep(5)  # see test_approvals.py
        airflow.api.approve(DAG_ID, "run", "approve_release")
        succeeded(airflow)
        seen = airflow.api._client.get(f"{airflow.url}/api/v2/version").json()["version"]
    assert (seen, wxa_sandbox.journal.count("/wxa/release")) == (wanted, 1)
    said = "released, with an approval"
    print_rows(
        {"Airflow 3.2.2 with the packages of its day": said}
        if is_older
        else {"the newest pre-release": f"{wanted}: {said}"}
    )

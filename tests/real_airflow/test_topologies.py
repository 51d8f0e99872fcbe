"""Airflow as platforms run it: each row of ``docs/reference/topologies.md`` a release on a real one.

Others of its rows are those of ``test_pods.py`` and ``test_upgrade.py``.
"""

import json
import os
import re
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import pytest

from airflow_wxa.cli.demo.airflow import COMPONENTS, DAGS, LOOPBACK, ThrowawayAirflow
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World
from airflow_wxa.sandbox.server import serve
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.client.conftest import Elsewhere, elsewhere  # noqa: F401  a fixture
from tests.real_airflow.airflows import (
    CODE,
    ENDED,
    ROOT,
    SOON,
    Run,
    Unforked,
    against,
    assert_rows,
    connection,
    installed,
    until,
)

pytestmark = pytest.mark.real_airflow

OLDER, DAY_OF_OLDER = "3.2.2", "2026-05-30"
DAG_ID: Final = "wxa_release"
PARAMS: Final = {"appid": APPID, **CODE, "approval": False}
READ_OFTEN: Final = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
}


@pytest.fixture
def wxa_world(wxa_world: World) -> World:
    for account in wxa_world.mini_programs:
        account.audit, account.scan_polls = AuditPlan(polls=1), 0
    return wxa_world


def texts_below(*folders: Path) -> str:
    return "".join(path.read_text("utf-8", "replace") for each in folders for path in each.rglob("*") if path.is_file())


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
def test_what_a_platform_adds(tmp_path: Path, wxa_sandbox: RunningSandbox, elsewhere: Elsewhere) -> None:  # noqa: F811
    place = tmp_path / "platform"
    for folder in ("xcom", "told"):
        (place / folder).mkdir(parents=True)
    (place / "platform_module.py").write_text(PLATFORM_MODULE, "utf-8")
    (place / "platform_logs.py").write_text(LOGS_MODULE, "utf-8")
    (place / "connections.json").write_text(json.dumps({"wxa_default": json.loads(connection(wxa_sandbox))}))
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
        "AIRFLOW__METRICS__OTEL_PORT": elsewhere.url.rpartition(":")[2],
        "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": "1000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": elsewhere.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
    }
    airflow = BelowAPath(home=tmp_path, environment=environment, dags=PLATFORM_DAGS)
    with airflow.running(DAG_ID):
        run = Run(airflow, DAG_ID).triggered(PARAMS)
        run.succeeds()
        until(lambda: len([*(place / "told").iterdir()]) == 2, "no callback of the DAG, or of its deadline")
        published = until(lambda: datasets(place / "lineage.jsonl"), "no dataset in the lineage")
        links = run.get("/taskInstances/release/links")["extra_links"]
        board = airflow.api._client.get(links["Mini Program 小程序"])
        log = str(airflow.api._get(f"{run.place}/taskInstances/release/logs/1", full_content="true"))
    board_url, task_logs = links["Mini Program 小程序"], "task_id=release/*.log"
    logs = [len([*folder.rglob(task_logs)]) for folder in (place / "remote-logs", tmp_path / "logs")]
    sent = b"".join(body for _, _, body in elsewhere.requests)
    everything = texts_below(place / "xcom", place / "remote-logs", tmp_path / "logs")
    everything += (place / "lineage.jsonl").read_text() + sent.decode("utf-8", "replace")
    assert [secret for secret in (MERCHANT_TOKEN, PLATFORM_TOKEN) if secret in everything] == []
    otlp = {path for _, path, _ in elsewhere.requests} & {"/v1/traces", "/v1/metrics"}
    assert_rows(
        {
            "below a path": ((board_url.partition("/wxa/board/")[0], board.status_code), (airflow.url, 200)),
            "secrets backend": ([name for name in environment if "AIRFLOW_CONN" in name], []),
            "custom XCom backend": ((len([*(place / "xcom").iterdir()]) > 5, "1.4.0" in board.text), (True, True)),
            "remote logging": ((logs, f"1.4.0 of {APPID} is online" in log), ([1, 0], True)),
            "OpenLineage": (len(published), 1),
            "OpenTelemetry": (otlp, {"/v1/traces", "/v1/metrics"}),
            "DAG and deadline callbacks": ({each.name for each in (place / "told").iterdir()}, {"dag", "deadline"}),
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
        airflow = OfTeams(home=tmp_path, environment=environment, dags={})
        with airflow.running("team_a_release", "team_b_release"):
            Run(airflow, "team_a_release").triggered(PARAMS).succeeds()
            Run(airflow, "team_b_release").triggered({**PARAMS, "user_version": "2.0.0"}).succeeds()
            query = {"dag_id": "team_b_release", "run_id": "run"}
            picture = airflow.api._client.get(f"{airflow.url}/wxa/trial/{APPID}", params=query)
        accounts = [each.world.mini_program(APPID) for each in (wxa_sandbox, other)]
    versions = [(each.release_info or {})["release_version"] for each in accounts]
    assert_rows({"two teams, an executor each": ((versions, picture.status_code), (["1.4.0", "2.0.0"], 200))})


DRIFT_ID: Final = "wxa_domain_drift"
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
    environment = against(wxa_sandbox, **READ_OFTEN)
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment, dags=DAGS | {"drift.py": DRIFT})
    with airflow.running(DAG_ID, DRIFT_ID):
        run = Run(airflow, DAG_ID).triggered(PARAMS).waits("wait_for_audit")
        (triggerer,) = [each for each in airflow.processes.components if each.name == "triggerer"]
        triggerer.process.kill()
        triggerer.process.wait()
        airflow.processes.components.remove(triggerer)
        airflow._spawn("triggerer", COMPONENTS["triggerer"])
        (tmp_path / "dags" / "wxa_release.py").write_text(CHANGED, "utf-8")
        tags = partial(airflow.api._get, f"/dags/{DAG_ID}")
        until(lambda: [each["name"] for each in tags()["tags"]] == ["changed"], "it was not read again")
        account.sheets[-1].stage = Stage.APPROVED
        run.succeeds()
        released = wxa_sandbox.journal.count("/wxa/release")
        run.runs_again("release")
        run.succeeds()
        again = (run.returned("release")["outcome"], wxa_sandbox.journal.count("/wxa/release"))
        days = {"from_date": "2026-11-10T00:00:00Z", "to_date": "2026-11-11T00:00:00Z"}
        run.sends("POST", "/backfills", {"dag_id": DRIFT_ID, **days})
        runs = until(lambda: backfilled(airflow), "the backfill goes on and on")
    assert_rows(
        {
            "triggerer killed and started, a wait in flight": (released, 1),
            "DAG file changed, a run in flight": (released, 1),
            "Clear": (again, ("already_released", 1)),
            "backfill": (set(runs.values()), {"success"}),
        }
    )


def backfilled(airflow: ThrowawayAirflow) -> dict[str, str]:
    runs = {name: each for name, each in airflow.api.run_states(DRIFT_ID).items() if "backfill" in name}
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
    airflow = Unforked(home=tmp_path, environment=against(wxa_sandbox))
    airflow.python = python
    with airflow.running(DAG_ID):
        run = Run(airflow, DAG_ID).triggered(PARAMS | {"approval": True}).waits("approve_release")
        time.sleep(5)  # no log tells of every version when it may be answered: see Run.answer
        run.choose("approve_release", "Approve")
        run.succeeds()
        seen = airflow.api._get("/version")["version"]
    released = ((seen, wxa_sandbox.journal.count("/wxa/release")), (wanted, 1))
    assert_rows({"Airflow 3.2.2 with the packages of its day": released, "the newest pre-release": released})

"""Airflows of the tests that start a real one: start and end, waiting, the world they talk to, other versions."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from airflow_wxa.cli.demo.airflow import TaskInstance, ThrowawayAirflow
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox, Template, World
from airflow_wxa.sandbox.state import AuditSheet, Stage
from airflow_wxa.sandbox.testing import COMPONENT_APPID, PLATFORM_TOKEN

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 300.0
ENDED: Final = {"success", "failed"}
WAITING: Final = {"awaiting_input", "deferred"}  # with Airflow 3.3, and 3.2
LISTED: Final = ["example.com"]
SOON: Final = {"AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "0.5", "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "0.5"}


def until(is_so: Callable[[], Any], what: object, seconds: float = SECONDS) -> Any:
    """Wait for something, and return it.

    :param what: said when it does not come; a function is asked then.
    """
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, what() if callable(what) else f"{what}: not within {seconds:.0f} s"
        time.sleep(0.3)
    return found


@contextmanager
def started(airflow: ThrowawayAirflow, *dag_ids: str, patience: float = SECONDS) -> Iterator[ThrowawayAirflow]:
    """Run an Airflow that knows these DAGs while the block runs."""
    try:
        airflow.start(*dag_ids, patience=patience)
        yield airflow
    finally:
        airflow.stop()


def connection(wechat: RunningSandbox, **extra: Any) -> str:
    """Return the Connection to an emulated WeChat with all of its tokens, as JSON."""
    made = json.loads(wechat.connection())
    platform = wechat.world.platforms[0].component_appid
    return json.dumps(made | {"login": platform, "extra": made["extra"] | extra})


def task_of(airflow: ThrowawayAirflow, dag_id: str, run_id: str, task_id: str) -> TaskInstance | None:
    """Return the latest try of a task; ``None``: the run has none yet."""
    found = airflow.api.task_instances(dag_id, run_id)
    return next((each for each in found if each.task_id == task_id), None)


def state_of(airflow: ThrowawayAirflow, dag_id: str, run_id: str, task_id: str) -> str:
    """Return the state of a task; ``""``: the run has none yet."""
    task = task_of(airflow, dag_id, run_id, task_id)
    return task.state if task else ""


def end_of(airflow: ThrowawayAirflow, dag_id: str, run_id: str = "run", seconds: float = SECONDS) -> str:
    """Wait for the end of a run, and return its state."""

    def state() -> str:
        return airflow.api.run_states(dag_id).get(run_id, "")

    def tasks() -> str:
        return (
            f"{dag_id} {run_id}: {[(each.task_id, each.state) for each in airflow.api.task_instances(dag_id, run_id)]}"
        )

    until(lambda: state() in ENDED, tasks, seconds)
    return state()


def world(mini_programs: Iterable[MiniProgram], **platform: Any) -> World:
    """Return one platform, whose list holds ``example.com``, with Mini Programs and the template 47."""
    made: dict[str, Any] = {"component_appid": COMPONENT_APPID, "component_access_token": PLATFORM_TOKEN}
    made |= {"testing": LISTED.copy(), "published": LISTED.copy()} | platform
    templates = [Template(template_id=47)]
    return World(platforms=[Platform(**made)], mini_programs=list(mini_programs), templates=templates)


def mini_program(appid: str, **fields: Any) -> MiniProgram:
    """Return a Mini Program of that platform with a token of its own; what is waited for is there at once."""
    made: dict[str, Any] = {"component_appid": COMPONENT_APPID, "authorizer_access_token": f"token-of-{appid}"}
    return MiniProgram(appid=appid, **made | {"scan_polls": 0, "audit": AuditPlan(polls=0)} | fields)


def sheet(stage: Stage, auditid: int = 7, **said: Any) -> AuditSheet:
    """Return an audit sheet that stays at a stage until somebody moves it."""
    made = {"user_version": "1.4.0", "user_desc": "", "submit_audit_time": 1, **said}
    return AuditSheet(auditid=auditid, plan=AuditPlan(polls=10**6), stage=stage, **made)


class OfVersion(ThrowawayAirflow):
    """An Airflow that runs with another interpreter."""

    python = sys.executable

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        command = (self.python, "-m", "airflow", *arguments)
        return self.processes.start(name, command, self.component_env(), self.home / f"{name}.out")


def installed(place: Path, *steps: list[str]) -> str:
    """Make an environment, install what each step says, and return its Python."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = str(place / "bin" / "python")
    for each in steps:
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *each], check=True)
    return python


def build_wheel(folder: Path) -> Path:
    """Build this checkout's wheel in a folder, and return it."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built

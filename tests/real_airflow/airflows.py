"""Airflows of the tests that start a real one: start and end, their runs, the world they talk to, other versions."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance, ThrowawayAirflow
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox, Template, World
from airflow_wxa.sandbox.state import AuditSheet, Stage
from airflow_wxa.sandbox.testing import COMPONENT_APPID, PLATFORM_TOKEN

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 300.0
ENDED: Final = {"success", "failed"}
WAITING: Final = {"awaiting_input", "deferred"}  # with Airflow 3.3, and 3.2
LISTED: Final = ["example.com"]
ORIGIN: Final = "https://m.example.com"
#: Code of a release, and its domains.
CODE: Final = {"webviewdomain": [ORIGIN], "template_id": 47, "user_version": "1.4.0"}
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


def assert_rows(rows: Mapping[str, tuple[object, object]]) -> None:
    """Hold rows of ``docs/reference/topologies.md``: name → what was seen, and what must be."""
    assert {name: seen for name, (seen, _) in rows.items()} == {name: must for name, (_, must) in rows.items()}


def connection(wechat: RunningSandbox, **extra: Any) -> str:
    """Return the Connection to an emulated WeChat with all of its tokens, as JSON."""
    made = json.loads(wechat.connection())
    platform = wechat.world.platforms[0].component_appid
    return json.dumps(made | {"login": platform, "extra": made["extra"] | extra})


def against(wechat: RunningSandbox, **more: str) -> dict[str, str]:
    """Return variables of an Airflow that has a Connection to an emulated WeChat, and looks often."""
    return SOON | {"AIRFLOW_CONN_WXA_DEFAULT": connection(wechat)} | more


@dataclass
class Run:
    """A run, and all that somebody does to it through the REST API.

    :param user: somebody who may be refused; default: an admin, who must not be.
    """

    airflow: ThrowawayAirflow
    dag_id: str
    run_id: str = "run"
    user: AirflowApi | None = None

    @property
    def place(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    def get(self, path: str = "") -> Any:
        """Return the JSON of something that belongs to it."""
        return self.airflow.api._get(f"{self.place}{path}")

    def sends(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bool:
        """Tell whether Airflow did as it was asked."""
        client = (self.user or self.airflow.api)._client
        answer = client.request(method, path, json=body)
        if answer.is_server_error:  # SQLite was locked, see ThrowawayAirflow: nothing was done
            answer = client.request(method, path, json=body)
        assert self.user or answer.is_success, answer.text
        return bool(answer.is_success)

    def starts(self, conf: Mapping[str, Any], **more: Any) -> bool:
        body = {"dag_run_id": self.run_id, "logical_date": None, "conf": conf, **more}
        return self.sends("POST", f"/dags/{self.dag_id}/dagRuns", body)

    def triggered(self, conf: Mapping[str, Any]) -> Self:
        self.airflow.api.trigger(self.dag_id, self.run_id, conf)
        return self

    @property
    def state(self) -> str:
        """The state of the run; ``""``: there is none yet."""
        return self.airflow.api.run_states(self.dag_id).get(self.run_id, "")

    @property
    def tasks(self) -> list[TaskInstance]:
        return self.airflow.api.task_instances(self.dag_id, self.run_id)

    def task(self, task_id: str) -> TaskInstance:
        """Return the latest try of a task; one without a state while there is none."""
        return next((each for each in self.tasks if each.task_id == task_id), TaskInstance(task_id, "", 0))

    def said(self, task_id: str) -> str:
        """Return the text of the error that a task failed with."""
        return self.airflow.api.error_text(self.dag_id, self.run_id, self.task(task_id))

    def returned(self, task_id: str) -> Any:
        return self.airflow.api.xcom(self.dag_id, self.run_id, task_id)

    def waits(self, task_id: str, seconds: float = SECONDS) -> Self:
        """Wait until a task waits: for a person, or for WeChat, where it may look again a moment later."""

        def reached() -> str:
            state = self.task(task_id).state
            return state if state in WAITING else "ended" if self.state in ENDED else ""

        assert until(reached, f"{self.place}: {task_id} waits", seconds) in WAITING, self.said(task_id)
        return self

    def ends(self, seconds: float = SECONDS) -> str:
        """Wait for the end of the run, and return its state."""
        until(lambda: self.state in ENDED, lambda: f"{self.place}: {self.tasks}", seconds)
        return self.state

    def succeeds(self) -> None:
        ended = self.ends()
        failed = {each.task_id: self.said(each.task_id) for each in self.tasks if each.state == "failed"}
        assert (ended, failed) == ("success", {})

    def answer(self, task_id: str, choice: str = "Approve") -> None:
        """Answer once the scheduler has heard that the process which asked has ended.

        Airflow 3.3.2 takes the task for killed where an answer comes just then (its own ``ApprovalOperator`` too): the
        process, which ends ``[workers] min_heartbeat_interval`` after it has asked, counts for the same try, which is
        queued again.
        """
        log, number = self.airflow.home / "scheduler.out", self.task(task_id).try_number
        key = f"dag_id='{self.dag_id}', task_id='{task_id}', run_id='{self.run_id}', try_number={number},"
        heard = f"event with state success for task instance TaskInstanceKey({key}"
        until(lambda: heard in log.read_text("utf-8", "replace"), f"the scheduler hears of {key}")
        self.choose(task_id, choice)

    def choose(self, task_id: str, choice: str) -> bool:
        """Answer at once."""
        body = {"chosen_options": [choice], "params_input": {}}
        return self.sends("PATCH", f"{self.place}/taskInstances/{task_id}/-1/hitlDetails", body)

    def mark(self, task_id: str) -> bool:
        return self.sends("PATCH", f"{self.place}/taskInstances/{task_id}", {"new_state": "success"})

    def forge(self, task_id: str, value: Any, key: str = "return_value") -> bool:
        """Change an XCom, or write one where there is none."""
        place, body = f"{self.place}/taskInstances/{task_id}/xcomEntries", {"value": value, "map_index": -1}
        if self.returned(task_id) is not None and self.sends("PATCH", f"{place}/{key}", body):
            return True
        return self.sends("POST", place, {"key": key, **body})

    def clear(self, task_id: str, *, include_downstream: bool = True) -> bool:
        """Clear a task, and what follows."""
        body = {"dag_run_id": self.run_id, "task_ids": [task_id], "include_downstream": include_downstream}
        body |= {"dry_run": False, "only_failed": False}
        return self.sends("POST", f"/dags/{self.dag_id}/clearTaskInstances", body)

    def runs_again(self, task_id: str, *, include_downstream: bool = True) -> bool:
        """Clear a task, and wait until it has got as far as it gets by itself; tells whether it was cleared."""
        before = self.task(task_id).try_number

        def has_run() -> bool:
            task = self.task(task_id)
            is_over = task.state in {*WAITING, *ENDED, "upstream_failed"}
            return task.state == "skipped" or (is_over and task.try_number > before)

        is_cleared = self.clear(task_id, include_downstream=include_downstream)
        if is_cleared:
            until(has_run, f"{self.place}: {task_id} runs again")
        return is_cleared


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


def online(number: int, *earlier: int) -> dict[str, Any]:
    """Return a version that users have, and those before it, as fields of a Mini Program; each is named by a number."""
    return {
        "release_info": {"release_time": 1, "release_version": f"{number}", "release_desc": f"v{number}"},
        "versions": [
            {"app_version": 10 + each, "user_version": f"{each}", "user_desc": f"v{each}", "commit_time": 1}
            for each in earlier
        ],
    }


class Unforked(ThrowawayAirflow):
    """An Airflow whose components are started each by itself, with another interpreter or environment."""

    python = sys.executable

    def env_of(self, name: str) -> dict[str, str]:  # noqa: ARG002
        return self.component_env()

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        command = (self.python, "-m", "airflow", *arguments)
        return self.processes.start(name, command, self.env_of(name), self.home / f"{name}.out")


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

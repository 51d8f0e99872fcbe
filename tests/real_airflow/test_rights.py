"""What users try at a running Airflow, with nothing but its REST API, who may not approve.

Each role has a release, a rollback and a change of the platform's list that wait for an approver's answer, with
Airflow's simple auth manager and with FAB's. Nothing happens until the approver answers.
"""

import json
import sys
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance, ThrowawayAirflow
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import RunningSandbox, World
from tests.real_airflow.airflows import (
    ENDED,
    LISTED,
    SECONDS,
    WAITING,
    connection,
    end_of,
    mini_program,
    started,
    state_of,
    task_of,
    until,
    world,
)

pytestmark = pytest.mark.real_airflow

ROLES: Final = ("viewer", "user", "op")
APPROVER: Final = "wu"
USERS: Final = {"admin": "admin", APPROVER: "user", **{role: role for role in ROLES}}  # name → role
RELEASED: Final = {role: f"wx{number:016x}" for number, role in enumerate(ROLES, 1)}
ROLLED_BACK: Final = {role: f"wx{number:016x}" for number, role in enumerate(ROLES, 101)}
#: DAG → the task that asks, the task that must not run without an answer.
GUARDED: Final = {
    "wxa_release": ("approve_release", "release"),
    "wxa_rollback": ("approve_rollback", "rollback"),
    "wxa_platform_domains": ("approve_change", "modify_platform_domains"),
}
WANTED: Final = "new.example.com"
FAB: Final = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
FAB_USERS: Final = """
import json, subprocess, sys
subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    for name, role in json.loads(sys.argv[1]).items():
        user = builder.sm.add_user(name, name, name, name + "@example.com", builder.sm.find_role(role.title()), name)
        assert user, name
"""
DAG_FILE: Final = """
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag

release = release_dag(fixed={{"approval": True, "approvers": {approvers}}})
rollback, platform_domains = rollback_dag(), platform_domains_dag()
"""


@pytest.fixture
def wxa_world() -> World:
    """For each role a Mini Program to release and one to roll back, of a platform whose list holds one host."""
    rolled_back = [
        mini_program(
            appid,
            release_info={"release_time": 1, "release_version": "3", "release_desc": "v3"},
            versions=[{"app_version": 12, "user_version": "2", "user_desc": "v2", "commit_time": 1}],
        )
        for appid in ROLLED_BACK.values()
    ]
    return world([*map(mini_program, RELEASED.values()), *rolled_back])


class WithUsers(ThrowawayAirflow):
    """An Airflow with a user of each role, whose password is their name."""

    def start(self, *dag_ids: str, patience: float = SECONDS) -> None:
        if self.environment.get("AIRFLOW__CORE__AUTH_MANAGER") is None:
            (self.home / "users.json").write_text(json.dumps({name: name for name in USERS}), "utf-8")
        super().start(*dag_ids, patience=patience)

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        if name != "database" or self.environment.get("AIRFLOW__CORE__AUTH_MANAGER") is None:
            return super()._spawn(name, arguments)
        command = (sys.executable, "-c", FAB_USERS, json.dumps(USERS))
        return self.processes.start(name, command, self.component_env(), self.home / f"{name}.out")

    def login(self, user: str) -> AirflowApi:
        return AirflowApi.login(self.url, {"username": user, "password": user})

    def write_dags(self) -> None:
        """Let the approver be the only one who may answer for a release, whatever whoever triggers it would like."""
        (self.home / "dags" / "wxa.py").write_text(DAG_FILE.format(approvers=[self.approver]), "utf-8")
        until(lambda: all(self.api.knows(dag_id) for dag_id in GUARDED), "the DAGs are known")

    def is_asked(self, role: str) -> bool:
        """Tell whether all three runs of a role wait for an answer."""
        return all(
            state_of(self, dag_id, f"asked_for_{role}", asks) in WAITING for dag_id, (asks, _) in GUARDED.items()
        )

    @property
    def approver(self) -> str:
        """The approver's id: with FAB a number."""
        api = self.login(APPROVER)
        payload = api._client.headers["Authorization"].split(".")[1]
        api.close()
        return str(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


@pytest.fixture(params=["simple", "fab"])
def airflow(request: pytest.FixtureRequest, tmp_path: Path, wxa_sandbox: RunningSandbox) -> Iterator[WithUsers]:
    environment = {
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",  # a file comes when Airflow runs already
        "AIRFLOW_CONN_WXA_DEFAULT": connection(wxa_sandbox),
    }
    if request.param == "simple":
        environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(map(":".join, USERS.items()))
        environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(tmp_path / "users.json")
    elif find_spec("airflow.providers.fab") is None:
        pytest.skip("apache-airflow-providers-fab is not installed")
    else:
        environment["AIRFLOW__CORE__AUTH_MANAGER"] = FAB
    airflow = WithUsers(
        home=tmp_path, environment=environment, dags={}, account={"username": "admin", "password": "admin"}
    )
    with started(airflow, patience=2 * SECONDS):
        airflow.write_dags()
        yield airflow


class Attacker:
    """A user who tries things, and what became of them."""

    def __init__(self, airflow: WithUsers, role: str) -> None:
        self._airflow, self.run_id, self._client = airflow, f"asked_for_{role}", airflow.login(role)._client
        self.statuses: list[tuple[str, int]] = []

    def close(self) -> None:
        self._client.close()

    def __call__(self, what: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> bool:
        """Send it; tells whether Airflow did it."""
        answer = self._client.request(method, path, json=body)
        self.statuses.append((what, answer.status_code))
        return answer.is_success

    def forge(self, dag_id: str, task_id: str, value: Any, key: str = "return_value") -> bool:
        place, body = self._place(dag_id, task_id), {"value": value, "map_index": -1}
        changed = self(f"change {key} of {task_id}", "PATCH", f"{place}/xcomEntries/{key}", body)
        return self(f"write {key} of {task_id}", "POST", f"{place}/xcomEntries", {"key": key, **body}) or changed

    def mark(self, dag_id: str, task_id: str) -> bool:
        return self(f"mark {task_id} success", "PATCH", self._place(dag_id, task_id), {"new_state": "success"})

    def clear(self, dag_id: str, task_id: str) -> bool:
        """Clear a task of a run that has ended, and wait until it has run again."""
        before = self._task(dag_id, task_id).try_number
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": [task_id], "only_failed": False}
        if not self(f"clear {task_id}", "POST", f"/dags/{dag_id}/clearTaskInstances", body):
            return False
        until(lambda: self._has_run_again(dag_id, task_id, before), f"{task_id} runs again")
        return True

    def answer(self, dag_id: str) -> bool:
        path = f"{self._place(dag_id, GUARDED[dag_id][0])}/-1/hitlDetails"
        return self("answer", "PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})

    def trigger_anew(self, **conf: Any) -> bool:
        """Delete the run, and trigger one of the same id as its own master."""
        self("delete the run", "DELETE", f"/dags/wxa_release/dagRuns/{self.run_id}")
        body = {"dag_run_id": self.run_id, "logical_date": None, "conf": conf}
        return self(f"trigger with {', '.join(conf)}", "POST", "/dags/wxa_release/dagRuns", body)

    def _has_run_again(self, dag_id: str, task_id: str, before: int) -> bool:
        task = self._task(dag_id, task_id)
        has_ended = task.state in {*ENDED, "upstream_failed"} and task.try_number > before
        return has_ended or task.state == "skipped"

    def _task(self, dag_id: str, task_id: str) -> TaskInstance:
        task = task_of(self._airflow, dag_id, self.run_id, task_id)
        assert task is not None
        return task

    def _place(self, dag_id: str, task_id: str) -> str:
        return f"/dags/{dag_id}/dagRuns/{self.run_id}/taskInstances/{task_id}"


def conf(dag_id: str, role: str) -> dict[str, Any]:
    """Return what a run is triggered with that somebody has to approve."""
    if dag_id == "wxa_platform_domains":
        return {"action": "add", "hosts": [WANTED]}
    if dag_id == "wxa_rollback":
        return {"appid": ROLLED_BACK[role]}
    return {
        "appid": RELEASED[role],
        "webviewdomain": ["https://m.example.com"],
        "template_id": 47,
        "user_version": "1.4.0",
        "on_platform_list_empty": "register",
        "platform_domains": ["m.example.com", WANTED],
    }


def forged(role: str) -> dict[str, dict[str, Any]]:
    """Return for each DAG what its approval would have returned."""
    decision = {"outcome": "approved", "by": APPROVER, "at": "2026-05-04T03:02:01+00:00", "why": ""}
    code = {"user_version": "1.4.0", "fingerprint": "1a2b3c4d", "auditid": "1", "domains": ["https://m.example.com"]}
    back = {"online": "3", "online_since": 1, "user_version": "2", "app_version": 12}
    return {
        "wxa_release": {**decision, "appid": RELEASED[role], **code},
        "wxa_rollback": {**decision, "appid": ROLLED_BACK[role], **back},
        "wxa_platform_domains": {**decision, "appid": "", "action": "add", "hosts": [WANTED], "published": LISTED},
    }


def forged_89020(role: str) -> dict[str, Any]:
    """Return what ``configure_domains`` returns when the platform has registered nothing."""
    nothing: dict[str, Any] = {"before": None, "after": None, "added": [], "removed": []}
    told = {"outcome": "platform_list_empty", "action": "add", "errcode": 89020, "errmsg": ""}
    return {"appid": RELEASED[role], **told, **nothing}


def attack(airflow: WithUsers, attacker: Attacker, role: str) -> set[str]:
    """Try everything; returns the tasks that ran because of it and should not have got through."""
    started = set()
    for dag_id, (asks, acts) in GUARDED.items():
        assert not attacker.answer(dag_id), "only the approver may answer"
        attacker.forge(dag_id, asks, forged(role)[dag_id])
        if attacker.mark(dag_id, asks):
            end_of(airflow, dag_id, attacker.run_id)
            started.add(acts)
            attacker.forge(dag_id, asks, {"skipped": []}, key="skipmixin_key")
            attacker.clear(dag_id, acts)
    is_forged = attacker.forge("wxa_release", "configure_domains", forged_89020(role))
    attacker.forge("wxa_release", "configure_domains", {"skipped": []}, key="skipmixin_key")
    if attacker.clear("wxa_release", "register_platform_domains") and is_forged:
        started.add("register_platform_domains")
    return started


def test_no_role_gets_anything_through_that_nobody_approved(airflow: WithUsers, wxa_sandbox: RunningSandbox) -> None:
    world = wxa_sandbox.world
    [platform] = world.platforms
    for role in ROLES:
        for dag_id in GUARDED:
            approvers = {} if dag_id == "wxa_release" else {"approvers": [airflow.approver]}
            airflow.api.trigger(dag_id, f"asked_for_{role}", conf(dag_id, role) | approvers)
    for role in ROLES:
        until(lambda: airflow.is_asked(role), f"{role}'s runs wait for an answer")  # noqa: B023
    attackers = {role: Attacker(airflow, role) for role in ROLES}
    started = {role: attack(airflow, attacker, role) for role, attacker in attackers.items()}
    for role in ("user", "op"):
        assert not attackers[role].trigger_anew(**conf("wxa_release", role), approval=False)
        assert not attackers[role].trigger_anew(**conf("wxa_release", role), approvers=[role])
    for attacker in attackers.values():
        attacker.close()
    refused = {
        role: {
            each.task.task_id
            for each in read_ledger(airflow.home)
            if each.task.run_id == attacker.run_id and each.result == "refused"
        }
        for role, attacker in attackers.items()
    }
    for role, attacker in attackers.items():
        sys.stdout.write(f"{role}: {attacker.statuses}\n  refused, by the ledger: {sorted(refused[role])}\n")
    assert wxa_sandbox.journal.count("/wxa/release") == 0
    assert {world.mini_program(appid).app_version for appid in ROLLED_BACK.values()} == {100}
    assert (platform.testing, platform.published) == (LISTED, LISTED)
    assert refused == started
    assert started["viewer"] == set()
    assert {"release", "rollback", "modify_platform_domains"} <= started["user"] & started["op"]

    wu = airflow.login(APPROVER)
    for dag_id, (asks, _) in GUARDED.items():
        wu.approve(dag_id, "asked_for_viewer", asks)
    wu.close()
    until(lambda: {airflow.api.run_states(each)["asked_for_viewer"] for each in GUARDED} == {"success"}, "all goes on")
    assert wxa_sandbox.journal.count("/wxa/release") == 1
    assert world.mini_program(ROLLED_BACK["viewer"]).release_info["release_version"] == "2"
    assert WANTED in platform.published

"""What users try at a running Airflow, with nothing but its REST API, who may not approve.

Each role has a release, a rollback and a change of the platform's list that wait for an approver's answer, with
Airflow's simple auth manager and with FAB's. Nothing happens until the approver answers.
"""

import json
import sys
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.cli.demo.airflow import AirflowApi, ThrowawayAirflow
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import RunningSandbox, World
from tests.real_airflow.airflows import (
    CODE,
    LISTED,
    ORIGIN,
    SECONDS,
    Run,
    against,
    mini_program,
    online,
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
    back = (mini_program(appid, **online(3, 2)) for appid in ROLLED_BACK.values())
    return world([*map(mini_program, RELEASED.values()), *back])


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

    @property
    def approver(self) -> str:
        """The approver's id: with FAB a number."""
        api = self.login(APPROVER)
        payload = api._client.headers["Authorization"].split(".")[1]
        api.close()
        return str(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


@pytest.fixture(params=["simple", "fab"])
def airflow(request: pytest.FixtureRequest, tmp_path: Path, wxa_sandbox: RunningSandbox) -> Iterator[WithUsers]:
    environment = against(wxa_sandbox, AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL="2")  # a file comes late
    if request.param == "simple":
        environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(map(":".join, USERS.items()))
        environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(tmp_path / "users.json")
    elif find_spec("airflow.providers.fab") is None:
        pytest.skip("apache-airflow-providers-fab is not installed")
    else:
        environment["AIRFLOW__CORE__AUTH_MANAGER"] = FAB
    admin = {"username": "admin", "password": "admin"}
    airflow = WithUsers(home=tmp_path, environment=environment, dags={}, account=admin)
    with airflow.running(patience=2 * SECONDS):
        airflow.write_dags()
        yield airflow


def conf(dag_id: str, role: str) -> dict[str, Any]:
    """Return what a run is triggered with that somebody has to approve."""
    if dag_id == "wxa_platform_domains":
        return {"action": "add", "hosts": [WANTED]}
    if dag_id == "wxa_rollback":
        return {"appid": ROLLED_BACK[role]}
    empty = {"on_platform_list_empty": "register", "platform_domains": ["m.example.com", WANTED]}
    return {"appid": RELEASED[role], **CODE, **empty}


def forged(role: str) -> dict[str, dict[str, Any]]:
    """Return for each DAG what its approval would have returned."""
    decision = {"outcome": "approved", "by": APPROVER, "at": "2026-05-04T03:02:01+00:00", "why": ""}
    code = {"user_version": "1.4.0", "fingerprint": "1a2b3c4d", "auditid": "1", "domains": [ORIGIN]}
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


def attack(airflow: WithUsers, role: str) -> set[str]:
    """Try everything; returns the tasks that ran because of it and should not have got through."""
    started, user = set(), airflow.login(role)
    for dag_id, (asks, acts) in GUARDED.items():
        run = Run(airflow, dag_id, f"asked_for_{role}", user)
        assert not run.choose(asks, "Approve"), "only the approver may answer"
        run.forge(asks, forged(role)[dag_id])
        if run.mark(asks):
            run.ends()
            started.add(acts)
            run.forge(asks, {"skipped": []}, key="skipmixin_key")
            run.runs_again(acts, include_downstream=False)
    release = Run(airflow, "wxa_release", f"asked_for_{role}", user)
    is_forged = release.forge("configure_domains", forged_89020(role))
    release.forge("configure_domains", {"skipped": []}, key="skipmixin_key")
    if release.runs_again("register_platform_domains", include_downstream=False) and is_forged:
        started.add("register_platform_domains")
    for more in ({"approval": False}, {"approvers": [role]}):  # a run of the same id, as its own master
        release.sends("DELETE", release.place)
        assert not release.starts(conf("wxa_release", role) | more)
    user.close()
    return started


def test_no_role_gets_anything_through_that_nobody_approved(airflow: WithUsers, wxa_sandbox: RunningSandbox) -> None:
    world = wxa_sandbox.world
    [platform] = world.platforms
    asked = {role: [Run(airflow, dag_id, f"asked_for_{role}") for dag_id in GUARDED] for role in ROLES}
    for role, runs in asked.items():
        for run in runs:
            approvers = {} if run.dag_id == "wxa_release" else {"approvers": [airflow.approver]}
            run.triggered(conf(run.dag_id, role) | approvers)
    for run in (run for runs in asked.values() for run in runs):
        run.waits(GUARDED[run.dag_id][0])
    started = {role: attack(airflow, role) for role in ROLES}
    rows = [(each.task.run_id, each.task.task_id) for each in read_ledger(airflow.home) if each.result == "refused"]
    refused = {role: {task_id for run_id, task_id in rows if run_id == f"asked_for_{role}"} for role in ROLES}
    assert wxa_sandbox.journal.count("/wxa/release") == 0
    assert {world.mini_program(appid).app_version for appid in ROLLED_BACK.values()} == {100}
    assert (platform.testing, platform.published) == (LISTED, LISTED)
    assert refused == started
    assert started["viewer"] == set()
    assert {"release", "rollback", "modify_platform_domains"} <= started["user"] & started["op"]

    wu = airflow.login(APPROVER)
    for run in asked["viewer"]:
        wu.approve(run.dag_id, run.run_id, GUARDED[run.dag_id][0])
    wu.close()
    assert [run.ends() for run in asked["viewer"]] == ["success"] * len(GUARDED)
    assert wxa_sandbox.journal.count("/wxa/release") == 1
    assert (world.mini_program(ROLLED_BACK["viewer"]).release_info or {})["release_version"] == "2"
    assert WANTED in platform.published

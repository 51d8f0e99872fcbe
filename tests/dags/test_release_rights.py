"""What users try with the REST API who may not approve: nothing is released, and no platform list is written."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import register_dag
from tests.dags.scheduled import Scheduled
from tests.dags.stepwise import Stepwise
from tests.dags.test_release_approval import approved_by_hand
from tests.dags.worlds import ORIGIN, REGISTER, Shop, failure, missing
from tests.plugins.browser import Browser, login

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")

FORBIDDEN: Final = 403


class Attacker:
    """A user who is named as their role, and tries things with one run."""

    def __init__(self, airflow: Browser, run: Scheduled, role: str) -> None:
        self._airflow, self._run, self._role = airflow, run, role
        self.statuses: list[tuple[str, int]] = []

    def __call__(self, what: str, method: str, path: str, body: Mapping[str, Any]) -> None:
        run = f"/api/v2/dags/wxa_release/dagRuns/{self._run.run_id}/taskInstances"
        url = path if path.startswith("/api") else f"{run}/{path}"
        headers = login(self._role.upper(), self._role)
        answer = self._airflow.send(method, url, json=dict(body), headers=headers)
        self.statuses.append((what, answer.status_code))

    def forge(self, task_id: str, value: Any, key: str = "return_value") -> None:
        body = {"value": value, "map_index": -1}
        self(f"change {key} of {task_id}", "PATCH", f"{task_id}/xcomEntries/{key}", body)
        self(f"write {key} of {task_id}", "POST", f"{task_id}/xcomEntries", {"key": key, **body})

    def mark(self, task_id: str) -> None:
        self(f"mark {task_id} success", "PATCH", task_id, {"new_state": "success"})

    def clear(self, task_id: str) -> None:
        body = {"dry_run": False, "dag_run_id": self._run.run_id, "task_ids": [task_id], "only_failed": False}
        self(f"clear {task_id}", "POST", "/api/v2/dags/wxa_release/clearTaskInstances", body)

    def answer(self) -> None:
        body = {"chosen_options": ["Approve"], "params_input": {}}
        self("answer in place of an approver", "PATCH", "approve_release/-1/hitlDetails", body)

    def attack(self) -> None:
        """Try everything."""
        approval = approved_by_hand(self._run)
        self.answer()
        self.forge("approve_release", approval)
        self.mark("approve_release")
        self._run.go_on()
        self.forge("approve_release", approval)
        self.forge("approve_release", {"skipped": []}, key="skipmixin_key")
        self.clear("release")
        self._run.go_on()
        self.forge("configure_domains", FORGED_89020)
        self.forge("configure_domains", {"skipped": []}, key="skipmixin_key")
        self.clear("register_platform_domains")
        self._run.go_on()


FORGED_89020 = {
    "outcome": "platform_list_empty",
    "appid": APPID,
    "action": "add",
    "errcode": 89020,
    "errmsg": "",
    "before": None,
    "after": None,
    "added": [],
    "removed": [],
}


def test_no_role_releases_what_nobody_approved_or_writes_a_platform_list_that_is_not_empty(
    airflow: Browser, shop: Shop
) -> None:
    hosts = {"platform_domains": ["m.example.com", "new.example.com"]}
    run = Scheduled({"approval": True, "approvers": ["wu"], **REGISTER, **hosts}, triggered_by="op")
    refused = list[set[str]]()
    for role in ("viewer", "user", "op"):
        assert run.go_on() == "running"
        attacker = Attacker(airflow, run, role)
        attacker.attack()
        assert shop.journal.count("/wxa/release") == 0
        assert shop.writes() == []
        tried = {what for what, status in attacker.statuses if status < 300}
        assert (tried == set()) == (role == "viewer"), attacker.statuses
        assert dict(attacker.statuses)["answer in place of an approver"] == FORBIDDEN
        rows = open_ledger().entries(run_id=run.run_id)
        refused.append({each.task.task_id for each in rows if each.result == "refused"})
        run.clear("configure_domains")
    assert refused == [set(), {"release", "register_platform_domains"}, {"release", "register_platform_domains"}]


def test_who_says_by_an_xcom_that_an_individual_owns_it_does_not_release_without_the_domains(shop: Shop) -> None:
    run = Stepwise({"approval": False})
    run.go_on(until="release")
    run.write_xcom("configure_domains", FORGED_89020 | {"outcome": "individual", "errcode": 89231})
    assert run.go_on() == "failed"
    assert missing(("this one has ", ORIGIN), failure(run, "release")) == []
    assert (run.tries("release"), shop.journal.count("/wxa/release")) == (1, 0)
    [refused] = [each.task.task_id for each in open_ledger().entries(run_id=run.run_id) if each.result == "refused"]
    assert refused == "release"


@pytest.mark.parametrize(
    ("new_dag", "conf"),
    [
        (release_dag, {"appid": APPID, "template_id": 47, "user_version": "1.4.0", "webviewdomain": []}),
        (rollback_dag, {"appid": APPID}),
        (platform_domains_dag, {"action": "set", "hosts": ["m.example.com"]}),
    ],
)
def test_a_trigger_with_another_value_than_the_fixed_one_gets_400(
    airflow: Browser, new_dag: Callable[..., DAG], conf: dict[str, Any]
) -> None:
    dag_id = f"fixed_{new_dag.__name__}"
    register_dag(new_dag(dag_id, fixed={"approval": True, "approvers": ["wu"]}))
    body = {"logical_date": None, "conf": conf | {"approval": False}}
    answer = airflow.send("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body, headers=login("ADMIN"))
    assert (answer.status_code, "param approval" in answer.json()["detail"]) == (400, True)

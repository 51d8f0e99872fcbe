"""What users try with the REST API who may not approve: nothing is released, and no platform list is written."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import DomainOutcome
from tests.airflow_session import register_dag
from tests.dags.scheduled import Scheduled
from tests.dags.stepwise import Stepwise
from tests.dags.test_release_approval import approved_by_hand
from tests.dags.worlds import ORIGIN, REGISTER, Shop, failure, missing
from tests.plugins.browser import Browser, login

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")

#: What each round tries: name, method, path below the run's task instances or of the API, body.
Attempt = tuple[str, str, str, dict[str, Any]]


def forged(task_id: str, value: Any, key: str = "return_value") -> list[Attempt]:
    body, entries = {"value": value, "map_index": -1}, f"{task_id}/xcomEntries"
    return [
        (f"change {key} of {task_id}", "PATCH", f"{entries}/{key}", body),
        (f"write {key} of {task_id}", "POST", entries, {"key": key, **body}),
    ]


def cleared(run: Scheduled, task_id: str) -> Attempt:
    body = {"dry_run": False, "dag_run_id": run.run_id, "task_ids": [task_id], "only_failed": False}
    return f"clear {task_id}", "POST", "/api/v2/dags/wxa_release/clearTaskInstances", body


def rounds(run: Scheduled) -> Iterator[list[Attempt]]:
    """Yield everything that somebody may try, a round each time that the run has gone on."""
    approval = forged("approve_release", approved_by_hand(run))
    answer = {"chosen_options": ["Approve"], "params_input": {}}
    yield [
        ("answer in place of an approver", "PATCH", "approve_release/-1/hitlDetails", answer),
        *approval,
        ("mark approve_release success", "PATCH", "approve_release", {"new_state": "success"}),
    ]
    unskipped = {"skipped": []}
    yield [*approval, *forged("approve_release", unskipped, key="skipmixin_key"), cleared(run, "release")]
    yield [
        *forged("configure_domains", FORGED_89020),
        *forged("configure_domains", unskipped, key="skipmixin_key"),
        cleared(run, "register_platform_domains"),
    ]


def attacked(airflow: Browser, run: Scheduled, role: str) -> dict[str, int]:
    """Try everything as a user who is named as their role, and return the status of each attempt."""
    statuses, headers = dict[str, int](), login(role.upper(), role)
    for attempts in rounds(run):
        for what, method, path, body in attempts:
            url = f"/api/v2/dags/wxa_release/dagRuns/{run.run_id}/taskInstances/{path}"
            answer = airflow.send(method, path if path.startswith("/api") else url, json=body, headers=headers)
            statuses[what] = min(answer.status_code, statuses.get(what, answer.status_code))
        run.go_on()
    return statuses


FORGED_89020 = DomainOutcome("platform_list_empty", APPID, "add", 89020).to_json()


def test_no_role_releases_what_nobody_approved_or_writes_a_platform_list_that_is_not_empty(
    airflow: Browser, shop: Shop
) -> None:
    hosts = {"platform_domains": ["m.example.com", "new.example.com"]}
    run = Scheduled({"approval": True, "approvers": ["wu"], **REGISTER, **hosts}, triggered_by="op")
    refused = list[set[str]]()
    for role in ("viewer", "user", "op"):
        assert run.go_on() == "running"
        statuses = attacked(airflow, run, role)
        assert shop.journal.count("/wxa/release") == 0
        assert shop.writes() == []
        assert (min(statuses.values()) >= 300) == (role == "viewer"), statuses
        assert statuses["answer in place of an approver"] == 403
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

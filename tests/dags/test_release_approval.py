"""Approvals in a run: who may, what a rejection leaves behind, and where it is written down.

Then each DAG that asks, disturbed in each way between question and write: WeChat is sent what was shown, or nothing;
``tests/real_airflow/test_approvals.py`` does the same on an Airflow that runs for itself. Then what users try with the
REST API who may not approve: nothing is released, and no platform list is written.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import SetXCom

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import DomainOutcome
from tests.airflow_session import PLAIN, register_dag, run_dag
from tests.dags.scheduled import Scheduled
from tests.dags.stepwise import Stepwise
from tests.dags.test_release_roads import has
from tests.dags.worlds import ORIGIN, REGISTER, Arrange, Shop, failure, missing, nothing, succeeded
from tests.plugins.browser import Browser, login

pytestmark = pytest.mark.usefixtures("shop")

APPROVER = "release-manager"  # whoever answers in these tests


def answered(choice: str, triggered_by: str = "lin", **params: Any) -> Stepwise:
    """Return a run whose question was answered, and which went on as far as it could."""
    run = Stepwise({"approval": True, **params}, triggered_by=triggered_by)
    assert run.go_on() == "running"
    run.be_answered(choice)
    run.go_on()
    return run


def decisions(run: Stepwise) -> list[Any]:
    """Return what was decided; that it was asked stands in the ledger as well."""
    entries = open_ledger().entries(run_id=run.run_id)
    return [each for each in entries if each.endpoint == "approve_release" and each.after["outcome"] != "asked"]


def refused(run: Stepwise, shop: Shop, task_id: str = "release") -> str:
    """Go on, and return why a task failed; nothing was released."""
    assert run.go_on() == "failed"
    assert shop.journal.count("/wxa/release") == 0
    return failure(run, task_id)


def test_a_rejection_releases_nothing_whatever_xcoms_say_and_outcome_and_ledger_say_by_whom(shop: Shop) -> None:
    run = answered("Reject")
    (entry,) = decisions(run)
    assert (entry.appid, entry.task.triggered_by, entry.task.task_id) == (APPID, "lin", "approve_release")
    assert (entry.after["outcome"], entry.after["by"]) == ("rejected", APPROVER)
    assert open_ledger().outcome("wxa_release", run.run_id, APPID) == entry.after == run.xcom("approve_release")

    run.write_xcom("approve_release", approved_by_hand(run))
    run.write_xcom("approve_release", {"skipped": []}, key="skipmixin_key")
    run.clear("release")
    assert run.go_on() == "success"
    assert run.states["release"] == "skipped"
    assert shop.journal.count("/wxa/release") == 0


def test_an_approval_of_whom_the_params_name_is_followed_by_the_releases_own_outcome() -> None:
    run = answered("Approve", approver_must_differ=True, approvers=[APPROVER])
    assert run.states["verify_release"] == "success"
    assert [entry.after["outcome"] for entry in decisions(run)] == ["approved"]
    assert (open_ledger().outcome("wxa_release", run.run_id, APPID) or {})["outcome"] == "released"


def test_who_triggered_the_run_cannot_approve_it_and_somebody_else_can_after_a_clear(shop: Shop) -> None:
    run = answered("Approve", APPROVER, approver_must_differ=True)
    assert f"{APPROVER} may not approve this" in refused(run, shop, "approve_release")
    run.clear("approve_release")
    assert run.go_on() == "running"
    run.be_answered("Reject")  # of one's own run, which is allowed
    assert run.go_on() == "success"


# Each DAG that asks, between question and write ----------------------------------------------------------------------


OTHER: Final = "something else was approved"
FORGED: Final = "an XCom that the question or the write may read is forged"


class Asking(NamedTuple):
    """A DAG that asks.

    :param changes: what happens between question and write, why the task that writes fails; ``""``: it writes.
    """

    factory: Callable[[], Any]
    conf: dict[str, Any]
    asker: str
    writer: str
    changes: dict[str, tuple[Arrange, str]]


def online(shop: Shop) -> None:
    shop.put_online("9.9")


DAGS: Final = {
    "wxa_release": Asking(
        release_dag,
        dict(PLAIN),
        "approve_release",
        "release",
        {
            "nothing": (nothing, ""),
            "online": (online, "approve_release approved, online "),
            "own list": (has("https://other.example.com"), "approve_release approved, configured "),
            "platform list": (lambda shop: shop.list_hosts("other.example.net"), "not on the platform list"),
            "sheet": (lambda shop: setattr(shop.account.sheets[-1], "user_desc", "theirs"), "sheet"),
            FORGED: (nothing, OTHER),
        },
    ),
    "wxa_rollback": Asking(
        rollback_dag,
        {"appid": APPID},
        "approve_rollback",
        "rollback",
        {
            "nothing": (nothing, ""),
            "online": (online, "Somebody released or rolled back in between"),
            "history": (lambda shop: shop.account.versions[0].update({"user_desc": "another"}), OTHER),
            FORGED: (nothing, OTHER),
        },
    ),
    "wxa_platform_domains": Asking(
        platform_domains_dag,
        {"hosts": ["new.example.org"]},
        "approve_change",
        "modify_platform_domains",
        {
            "nothing": (nothing, ""),
            "testing": (lambda shop: shop.platform.testing.append("t.example.net"), OTHER),
            "published": (lambda shop: setattr(shop.platform, "published", ["p.example.net"]), OTHER),
            FORGED: (nothing, ""),  # the list is changed by the params alone
        },
    ),
}


def forge(context: Any) -> None:
    """Overwrite what tasks before have returned, as whoever may edit the run can."""
    ti = context["ti"]
    for task_id in ("list_versions", "approve_change", "submit_audit"):
        returned = ti.xcom_pull(task_ids=task_id)
        if isinstance(returned, dict):
            is_plan = "target" in returned
            forged: Any = {"target": {**returned["target"], "app_version": "10"}} if is_plan else {"auditid": "9"}
            place = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": task_id, "map_index": -1}
            message = SetXCom(key="return_value", value=returned | forged, **place)
            task_runner.SUPERVISOR_COMMS.send(message)


def found(shop: Shop) -> dict[str, Any]:
    """Return what WeChat has, by the names of the question."""
    info: Any = shop.account.release_info
    named = {"version": "release_version", "description": "release_desc", "time": "release_time"}
    return {
        "online": info and {name: info[key] for name, key in named.items()},
        "configured": sorted(shop.account.third_webviewdomain),
        "testing": sorted(shop.platform.testing),
        "published": sorted(shop.platform.published or ()),
    }


def sent(dag_id: str, shop: Shop) -> dict[str, Any]:
    """Return what WeChat was sent and has done, by the names of the question; ``{}``: nothing."""
    account, info = shop.account, dict[str, Any](shop.account.release_info or {})
    match dag_id:
        case "wxa_platform_domains":
            return next(
                ({"action": each["action"], "hosts": [each["wxa_jump_h5_domain"]]} for each in shop.writes()), {}
            )
        case "wxa_rollback" if not account.versions:
            back = {"user_version": info["release_version"], "user_desc": info["release_desc"]}
            return {"target": {"app_version": str(account.app_version), "commit_time": 1, **back}}
        case "wxa_release" if shop.journal.count("/wxa/release"):
            marked = {"fingerprint": info["release_desc"].rpartition("[wxa:")[2].rstrip("]")}
            return {"user_version": info["release_version"], "auditid": str(account.sheets[-1].auditid), **marked}
    return {}


@pytest.fixture
def asking(request: pytest.FixtureRequest, shop: Shop) -> Asking:
    """Return a DAG that asks, whose Mini Program has something to go back to where that is what it does."""
    if request.param == "wxa_rollback":
        shop.add_history()
    return DAGS[request.param]


@pytest.mark.parametrize(
    ("asking", "change"),
    [(name, change) for name, each in DAGS.items() for change in each.changes],
    indirect=["asking"],
)
def test_wechat_is_sent_what_was_shown_or_nothing(shop: Shop, asking: Asking, change: str) -> None:
    dag, before, (disturb, said) = asking.factory(), dict[str, Any](), asking.changes[change]

    def between(context: Any, _decision: Any) -> None:
        if change == FORGED:
            forge(context)
        disturb(shop)
        before.update(found(shop))

    dag.get_task(asking.asker)._post_execute_hook = between
    run = run_dag(dag, answers="Approve", **asking.conf | {"approval": True})

    rows = open_ledger().entries(run_id=open_ledger().entries(most=1)[0].task.run_id)
    question = next(each.asked["question"] for each in rows if each.asked and "question" in each.asked)
    facts = {name: fact["value"] for name, fact in question["facts"].items()}
    done = sent(dag.dag_id, shop)
    if said:
        assert said in failure(run, asking.writer)
        assert done == {}
        outcome = open_ledger().outcome(dag.dag_id, rows[0].task.run_id, asking.conf.get("appid", "")) or {}
        assert outcome["outcome"] == "stopped"
    else:
        assert (run.states[asking.writer], bool(done)) == ("success", True), run.errors
        assert facts.items() >= (done | {name: before[name] for name in before.keys() & facts.keys()}).items()


@pytest.mark.parametrize("asking", DAGS, indirect=True)
def test_a_rejection_is_no_failure_and_writes_nothing_like_a_mark_of_success(shop: Shop, asking: Asking) -> None:
    dag, conf = asking.factory(), asking.conf | {"approval": True}
    run = succeeded(run_dag(dag, answers="Reject", **conf))
    behind = [run.states[each] for each in dag.get_task(asking.writer).downstream_task_ids]
    assert {run.states[asking.writer], *behind} == {"skipped"}
    run = run_dag(dag, mark_success=asking.asker, **conf)
    assert "nobody has approved it" in failure(run, asking.writer)
    assert (run.tries[asking.writer], sent(dag.dag_id, shop)) == (1, {})
    (attempt,) = open_ledger().entries(most=1)
    assert attempt.after
    assert (attempt.task.task_id, attempt.result, attempt.after["outcome"]) == (asking.writer, "refused", "stopped")


# What somebody tries who may not approve ----------------------------------------------------------------------------


def approved_by_hand(run: Any) -> dict[str, Any]:
    """Return what an approval would have returned, as somebody with the right to edit XComs writes it."""
    version = CodeVersion.of(APPID, 47, "1.4.0")
    return {
        "outcome": "approved",
        "appid": APPID,
        "user_version": version.user_version,
        "fingerprint": version.fingerprint,
        "auditid": run.xcom("submit_audit")["auditid"],
        "domains": [ORIGIN],
        "by": "wu",
        "at": "2026-05-04T03:02:01+00:00",
        "why": "",
    }


def test_a_key_that_no_param_of_the_dag_is_decides_nothing(shop: Shop) -> None:
    dag = release_dag()
    del dag.params["approval"]
    dag.task_dict["approve_release"]._pre_execute_hook = None
    run = Stepwise({"approval": False})
    run.follow(dag)
    assert run.go_on(until="approve_release") == "running"
    run.mark("approve_release", "success")
    assert "nobody has approved it" in refused(run, shop)


# By the REST API -----------------------------------------------------------------------------------------------------


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


@pytest.mark.usefixtures("airflow_database")
def test_no_role_releases_unapproved_or_writes_a_platform_list_that_holds_hosts(airflow: Browser, shop: Shop) -> None:
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


@pytest.mark.usefixtures("airflow_database")
def test_a_trigger_with_another_value_than_the_fixed_one_gets_400(airflow: Browser) -> None:
    register_dag(release_dag("fixed_release", fixed={"approval": True, "approvers": ["wu"]}))
    body = {"logical_date": None, "conf": dict(PLAIN) | {"approval": False}}
    answer = airflow.send("POST", "/api/v2/dags/fixed_release/dagRuns", json=body, headers=login("ADMIN"))
    assert (answer.status_code, "param approval" in answer.json()["detail"]) == (400, True)

"""Each DAG that asks, disturbed in each way between question and write: WeChat is sent what was shown, or nothing.

``tests/real_airflow/test_approvals.py`` does the same on an Airflow that runs for itself.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import SetXCom

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import PLAIN, run_dag
from tests.dags.test_release_roads import has
from tests.dags.worlds import Arrange, Shop, failure, nothing, succeeded

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

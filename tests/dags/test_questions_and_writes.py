"""Twenty runs, each disturbed somewhere between question and write: WeChat is sent what was shown, or nothing.

``tests/real_airflow/test_approvals.py`` does the same on an Airflow that runs for itself.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import calls, run_dag

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database")

ORIGIN: Final = "https://m.example.com"
LIST: Final = "/cgi-bin/component/modify_wxa_jump_domain"
#: DAG → its factory, its params, the task that asks, the task that writes.
DAGS: Final[dict[str, tuple[Callable[[], Any], dict[str, Any], str, str]]] = {
    "wxa_release": (
        release_dag,
        {"appid": APPID, "webviewdomain": [ORIGIN], "template_id": 47, "user_version": "1.4.0"},
        "approve_release",
        "release",
    ),
    "wxa_rollback": (rollback_dag, {"appid": APPID}, "approve_rollback", "rollback"),
    "wxa_platform_domains": (
        platform_domains_dag,
        {"hosts": ["new.example.org"]},
        "approve_change",
        "modify_platform_domains",
    ),
}
CHANGES: Final = {
    "wxa_release": ("nothing", "online", "own list", "platform list", "sheet", "xcom"),
    "wxa_rollback": ("nothing", "online", "history", "xcom"),
    "wxa_platform_domains": ("nothing", "testing", "published", "xcom"),
}


def disturb(change: str, wechat: RunningSandbox) -> None:
    """Change something at WeChat."""
    account, platform = wechat.world.mini_program(APPID), wechat.world.platform(COMPONENT_APPID)
    match change:
        case "online":
            account.release_info = {"release_time": 9, "release_version": "9.9", "release_desc": "theirs"}
        case "own list":
            account.third_webviewdomain = [ORIGIN, "https://other.example.com"]
        case "platform list":
            platform.testing = platform.published = ["other.example.net"]
        case "sheet":
            account.sheets[-1].user_desc = "theirs"
        case "history":
            account.versions[0] |= {"user_desc": "another"}
        case "testing":
            platform.testing = [*platform.testing, "t.example.net"]
        case "published":
            platform.published = ["p.example.net"]


def forge(context: Any) -> None:
    """Edit what tasks before have returned."""
    for task_id in ("list_versions", "approve_change", "submit_audit"):
        returned = context["ti"].xcom_pull(task_ids=task_id)
        if isinstance(returned, dict):
            is_plan = "target" in returned
            forged = {"target": {**returned["target"], "app_version": "10"}} if is_plan else {"auditid": "9"}
            edit(context, task_id, returned | forged)


def edit(context: Any, task_id: str, value: Any) -> None:
    """Overwrite what a task returned, as whoever may edit the run can."""
    from airflow.sdk.execution_time.comms import SetXCom  # noqa: PLC0415  (Airflow is set up first)
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS  # noqa: PLC0415

    ti = context["ti"]
    place = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": task_id, "map_index": -1}
    SUPERVISOR_COMMS.send(SetXCom(key="return_value", value=value, **place))


def found(wechat: RunningSandbox) -> dict[str, Any]:
    account, platform = wechat.world.mini_program(APPID), wechat.world.platform(COMPONENT_APPID)
    info = account.release_info
    online = info and {
        "version": info["release_version"],
        "description": info["release_desc"],
        "time": info["release_time"],
    }
    return {
        "online": online,
        "configured": sorted(account.third_webviewdomain),
        "testing": sorted(platform.testing),
        "published": sorted(platform.published or ()),
    }


def sent(dag_id: str, wechat: RunningSandbox, account: MiniProgram) -> dict[str, Any] | None:
    """Return what WeChat was sent and has done, by the names of the question; ``None``: nothing."""
    if dag_id == "wxa_platform_domains":
        written = [each.body for each in calls(wechat.journal, LIST) if each.body["action"] != "get"]
        return {"action": written[0]["action"], "hosts": [written[0]["wxa_jump_h5_domain"]]} if written else None
    info = account.release_info
    assert info is not None or dag_id == "wxa_release"
    if dag_id == "wxa_rollback":
        back = {"app_version": str(account.app_version), "user_version": info and info["release_version"]}
        return {"target": back | {"user_desc": info and info["release_desc"]}} if not account.versions else None
    if not calls(wechat.journal, "/wxa/release"):
        return None
    assert info is not None
    return {
        "user_version": info["release_version"],
        "auditid": str(account.sheets[-1].auditid),
        "desc": info["release_desc"],
    }


@pytest.mark.parametrize("number", range(20))
def test_wechat_is_sent_what_was_shown_or_nothing(wxa_default: RunningSandbox, number: int) -> None:
    chance = random.Random(number)  # noqa: S311
    dag_id = chance.choice(sorted(DAGS))
    factory, conf, asker, writer = DAGS[dag_id]
    change = chance.choice(CHANGES[dag_id])
    account = wxa_default.world.mini_program(APPID)
    if dag_id == "wxa_rollback":
        account.release_info = {"release_time": 1, "release_version": "3", "release_desc": "v3"}
        account.versions = [
            {"app_version": 10 + each, "user_version": str(each), "user_desc": f"v{each}", "commit_time": 1}
            for each in (2, 1, 0)
        ]
    dag, before = factory(), dict[str, Any]()

    def between(context: Any, _decision: Any) -> None:
        if change == "xcom":
            forge(context)
        disturb(change, wxa_default)
        before.update(found(wxa_default))

    dag.get_task(asker)._post_execute_hook = between
    run = run_dag(dag, answers="Approve", approval=True, **conf)

    rows = open_ledger().entries(run_id=next(iter(open_ledger().entries(most=1))).task.run_id)
    question = next(each.asked["question"] for each in rows if each.asked and "question" in each.asked)
    facts = {name: fact["value"] for name, fact in question["facts"].items()}
    done = sent(dag_id, wxa_default, account)
    assert (done is not None) == (run.states[writer] == "success"), run.errors
    # The platform's list is changed by its params alone: an XCom of its tasks changes nothing.
    assert (done is not None) == (change == "nothing" or (dag_id, change) == ("wxa_platform_domains", "xcom"))
    if done is None:
        appid = "" if dag_id == "wxa_platform_domains" else APPID
        assert (open_ledger().outcome(dag_id, rows[0].task.run_id, appid) or {})["outcome"] == "stopped"
        return
    for name, value in done.items():
        if name == "desc":
            assert f"[wxa:{facts['fingerprint']}]" in value
        elif name == "target":
            assert value.items() <= facts[name].items()
        else:
            assert value == facts[name]
    for name in before.keys() & facts.keys():
        assert before[name] == facts[name], name

"""Each DAG that asks, disturbed in each way between question and write: WeChat is sent what was shown, or nothing.

``tests/real_airflow/test_approvals.py`` does the same on an Airflow that runs for itself.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import SetXCom

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import PLAIN, run_dag
from tests.dags.worlds import ORIGIN, is_online, writes

#: DAG → its factory, its params, the task that asks, the task that writes.
DAGS: Final[dict[str, tuple[Callable[[], Any], dict[str, Any], str, str]]] = {
    "wxa_release": (release_dag, dict(PLAIN), "approve_release", "release"),
    "wxa_rollback": (rollback_dag, {"appid": APPID}, "approve_rollback", "rollback"),
    "wxa_platform_domains": (
        platform_domains_dag,
        {"hosts": ["new.example.org"]},
        "approve_change",
        "modify_platform_domains",
    ),
}
OTHER: Final = "something else was approved"
#: DAG → change → what the task that writes says; ``""``: it writes.
CHANGES: Final = {
    "wxa_release": {
        "nothing": "",
        "online": "approve_release approved, online ",
        "own list": "approve_release approved, configured ",
        "platform list": "not on the platform list",
        "sheet": "sheet",
        "xcom": OTHER,
    },
    "wxa_rollback": {
        "nothing": "",
        "online": "rollback stopped",
        "history": OTHER,
        "xcom": OTHER,
    },
    # The platform's list is changed by its params alone: an XCom of its tasks changes nothing.
    "wxa_platform_domains": {"nothing": "", "testing": OTHER, "published": OTHER, "xcom": ""},
}


def disturb(change: str, account: MiniProgram, platform: Platform) -> None:
    """Change something at WeChat."""
    match change:
        case "online":
            is_online(account, "9.9")
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


def found(account: MiniProgram, platform: Platform) -> dict[str, Any]:
    info: Any = account.release_info
    named = {"version": "release_version", "description": "release_desc", "time": "release_time"}
    return {
        "online": info and {name: info[key] for name, key in named.items()},
        "configured": sorted(account.third_webviewdomain),
        "testing": sorted(platform.testing),
        "published": sorted(platform.published or ()),
    }


def sent(dag_id: str, wechat: RunningSandbox, account: MiniProgram) -> dict[str, Any] | None:
    """Return what WeChat was sent and has done, by the names of the question; ``None``: nothing."""
    info: Any = account.release_info
    if dag_id == "wxa_platform_domains":
        written = writes(wechat)
        return {"action": written[0]["action"], "hosts": [written[0]["wxa_jump_h5_domain"]]} if written else None
    if dag_id == "wxa_rollback":
        back = {"app_version": str(account.app_version), "user_version": info["release_version"]}
        return None if account.versions else {"target": back | {"user_desc": info["release_desc"]}}
    if not wechat.journal.count("/wxa/release"):
        return None
    auditid = str(account.sheets[-1].auditid)
    return {"user_version": info["release_version"], "auditid": auditid, "desc": info["release_desc"]}


@pytest.mark.parametrize(
    ("dag_id", "change", "said"),
    [(dag_id, *each) for dag_id, changes in CHANGES.items() for each in changes.items()],
)
def test_wechat_is_sent_what_was_shown_or_nothing(
    wxa_default: RunningSandbox, account: MiniProgram, platform: Platform, dag_id: str, change: str, said: str
) -> None:
    factory, conf, asker, writer = DAGS[dag_id]
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
        disturb(change, account, platform)
        before.update(found(account, platform))

    dag.get_task(asker)._post_execute_hook = between
    run = run_dag(dag, answers="Approve", **conf | {"approval": True})

    rows = open_ledger().entries(run_id=next(iter(open_ledger().entries(most=1))).task.run_id)
    question = next(each.asked["question"] for each in rows if each.asked and "question" in each.asked)
    facts = {name: fact["value"] for name, fact in question["facts"].items()}
    done = sent(dag_id, wxa_default, account)
    assert (run.states[writer], done is None) == (("failed", True) if said else ("success", False)), run.errors
    if done is None:
        assert said in " ".join(str(run.errors[writer]).split())
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

"""Pages that show whole DAGs: TaskFlow, and own uploads."""

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import (
    WxaAddToTemplateOperator,
    WxaApproveReleaseOperator,
    WxaReleaseOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.sandbox import AuditPlan
from airflow_wxa.sandbox.platforms import Draft
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import TaskRef
from tests.airflow_session import ROOT, Run, calls, run_dag
from tests.dags.own_uploads import release_adopted_trial, release_draft
from tests.dags.worlds import Shop, missing, reviewed_at_once

OURS: dict[str, Any] = {"user_version": "1.4.0", "user_desc": "checkout, build 812"}


@pytest.fixture
def shop(shop: Shop) -> Shop:
    reviewed_at_once(shop)
    return shop


@pytest.mark.parametrize(
    ("page", "example"),
    [
        ("taskflow", "taskflow_release"),
        ("own-uploads", "own_uploads"),
        ("map-and-schedule", "mapped_release"),
        ("test-a-dag", "test_composed"),
    ],
)
def test_a_how_to_shows_a_file_that_runs(page: str, example: str) -> None:
    shown = (ROOT / "docs/how-to" / f"{page}.md").read_text("utf-8")
    assert f"```python\n{(ROOT / 'tests/dags' / f'{example}.py').read_text('utf-8')}```\n" in shown


def whole(dag: DAG) -> tuple[Run, set[tuple[str, str, str]]]:
    """Walk a DAG, every task of which must succeed, and return what its run noted of calls and decisions."""
    run = run_dag(dag, answers="Approve")
    assert set(run.states.values()) == {"success"}, run.errors
    rows = open_ledger().entries(run_id=open_ledger().entries(most=1)[0].task.run_id)
    return run, {(row.endpoint, row.task.task_id, row.result) for row in rows}


@pytest.mark.filterwarnings("ignore:.*determine_kwargs")  # Airflow's own @task.sensor
def test_the_how_tos_dag_releases_and_keeps_the_ledger(shop: Shop) -> None:
    from tests.dags.taskflow_release import taskflow_release  # noqa: PLC0415  (Airflow warns when it is imported)

    run, rows = whole(taskflow_release())
    assert run.xcoms["submit_audit"]["outcome"] == "submitted"
    assert run.xcoms["verify_release"]["release_version"] == "1.4.0"
    tasks = {"setwebviewdomain": "configure_domains", **{each: each for each in ("commit", "submit_audit", "release")}}
    assert rows == {(endpoint, task_id, "ok") for endpoint, task_id in tasks.items()}


# A trial version that another tool uploaded -------------------------------------------------------------------------


def upload(shop: Shop, **changes: Any) -> None:
    """Let another tool upload a trial version."""
    plain = {"pages": ["pages/index/index"], "now": 1_760_000_000, "direct_commit": False}
    shop.account.commit(**OURS | plain | changes)


def run(operator: type[Any], **fields: Any) -> Any:
    return operator(**{"task_id": "t", "appid": APPID, "adopt_trial": OURS} | fields).execute({})


def test_an_adopted_trial_version_is_released_and_its_approval_names_it(shop: Shop) -> None:
    upload(shop)
    ended, rows = whole(release_adopted_trial)
    assert shop.account.release_info
    assert shop.account.release_info["release_desc"] == OURS["user_desc"]
    asked = {name: ended.xcoms["approve_release"][name] for name in ("user_version", "user_desc", "auditid")}
    assert asked == {**OURS, "auditid": ended.xcoms["submit_audit"]["auditid"]}
    assert {endpoint for endpoint, *_ in rows} >= {"submit_audit", "release"}
    assert shop.journal.count("/wxa/commit") == 0


MARKED = OURS | {"user_desc": "spring [wxa:1a2b3c4d]"}
THEIRS = ["the trial version is not the one", "set adopt_trial to what is on trial"]
WRONG = {"adopt_trial": {"user_desc": " ", "desc": "x"}, "template_id": 47, "ext_json": {"ext": {}}}
ALL_WRONG = [
    *("- template_id = ", "- ext_json = ", "- adopt_trial.desc: "),
    *("- adopt_trial.user_version = None", "- adopt_trial.user_desc"),
]
SUBMIT, RELEASE = WxaSubmitAuditOperator, WxaReleaseOperator


@pytest.mark.parametrize(
    ("uploaded", "operator", "fields", "said", "sent"),
    [
        ({"user_version": "1.4.1"}, SUBMIT, {}, THEIRS, 0),
        ({"user_desc": "checkout, build 813"}, SUBMIT, {}, THEIRS, 0),
        ({"user_desc": ""}, SUBMIT, {}, THEIRS, 0),
        ({"direct_commit": True}, SUBMIT, {}, ["85086", "directCommit"], 1),
        (MARKED, SUBMIT, {"adopt_trial": MARKED}, ["name its template_id and ext_json"], None),
        ({}, SUBMIT, WRONG, ALL_WRONG, None),
        ({}, RELEASE, {}, ["nothing tells which audit sheet"], None),
        ({}, WxaApproveReleaseOperator, {}, ["nothing tells which audit sheet"], None),
    ],
)
def test_only_the_upload_that_is_meant_is_submitted_and_published(
    shop: Shop, uploaded: dict[str, Any], operator: type[Any], fields: dict[str, Any], said: list[str], sent: int | None
) -> None:
    """Count submissions; ``None``: no call at all, reads included."""
    upload(shop, **uploaded)
    with pytest.raises(AirflowFailException) as refused:
        run(operator, **fields)
    assert missing(said, str(refused.value)) == []
    assert (shop.journal == [], shop.journal.count("/wxa/submit_audit")) == (sent is None, sent or 0)


def test_an_older_approved_sheet_under_the_same_names_is_not_published(shop: Shop) -> None:
    upload(shop)
    old = run(SUBMIT)["auditid"]
    upload(shop, now=1_760_000_500)
    with pytest.raises(AirflowFailException, match="the latest audit sheet is not of this version"):
        run(RELEASE, auditid="999")
    new = run(SUBMIT)
    assert (new["outcome"], new["auditid"] == old) == ("submitted", False)
    with pytest.raises(AirflowFailException, match="the latest audit sheet is not of this version"):
        run(RELEASE, auditid=old)
    assert shop.journal.count("/wxa/release") == 0


@pytest.mark.parametrize("polls", [0, 9])
def test_a_cleared_submission_adopts_its_own_sheet(shop: Shop, monkeypatch: pytest.MonkeyPatch, polls: int) -> None:
    if not polls:  # the ledger knows what this run submitted
        in_a_run = TaskRef(dag_id="own_uploads", run_id="cleared", task_id="t")
        monkeypatch.setattr("airflow_wxa.hooks.wxa.current_task", lambda *_: in_a_run)
    upload(shop)
    shop.account.audit = AuditPlan(polls=polls)
    first, again = (run(SUBMIT) for _ in range(2))
    assert (again["outcome"], again["auditid"]) == ("adopted", first["auditid"])
    assert shop.journal.count("/wxa/submit_audit") == 1


def test_a_version_of_the_same_names_online_before_does_not_count_as_released(shop: Shop) -> None:
    for _ in range(2):
        upload(shop)
        auditid = run(SUBMIT)["auditid"]
        assert run(RELEASE, auditid=auditid)["outcome"] == "released"
        assert run(WxaVerifyReleaseOperator)["release_version"] == "1.4.0"
    assert run(RELEASE, auditid=auditid)["outcome"] == "already_released"


# A draft that a pipeline uploaded -----------------------------------------------------------------------------------


def add(**fields: Any) -> Any:
    return WxaAddToTemplateOperator(task_id="t", **fields).execute({})


def test_each_draft_is_released_by_a_template_that_cleared_runs_find(shop: Shop) -> None:
    shop.platform.drafts = [Draft(draft_id=11), Draft(draft_id=12, **OURS)]
    ended, _ = whole(release_draft)
    (template,) = shop.platform.templates
    assert ended.xcoms["add_to_template"]["template_id"] == template.template_id
    assert calls(shop.journal, "/wxa/commit")[0].body["template_id"] == template.template_id
    assert shop.online == "1.4.0"
    assert add(user_desc=OURS["user_desc"])["outcome"] == "unchanged"
    assert len(shop.platform.templates) == 1
    # One that is uploaded anew under the same id has a template of its own.
    shop.platform.drafts = [Draft(draft_id=12, **OURS, create_time=shop.wechat.world.now() + 60)]
    shop.wechat.world.advance(120)
    assert add(**OURS)["template_id"] != template.template_id

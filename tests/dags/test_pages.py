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
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.platforms import Draft
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import TaskRef
from tests.airflow_session import ROOT, calls, run_dag
from tests.dags.own_uploads import release_adopted_trial, release_draft
from tests.dags.worlds import online, reviewed_at_once

pytestmark = pytest.mark.usefixtures("wxa_default")
VERSION: dict[str, Any] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}
OURS: dict[str, Any] = {"user_version": "1.4.0", "user_desc": "checkout, build 812"}


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


@pytest.mark.filterwarnings("ignore:.*determine_kwargs")  # Airflow's own @task.sensor
def test_the_how_tos_dag_releases_and_keeps_the_ledger(wxa_default: RunningSandbox) -> None:
    from tests.dags.taskflow_release import taskflow_release  # noqa: PLC0415  (Airflow warns when it is imported)

    wxa_default.world.mini_program(APPID).audit = AuditPlan(polls=0)
    run = run_dag(taskflow_release())
    assert run.errors == {}
    assert set(run.states.values()) == {"success"}
    assert run.xcoms["submit_audit"]["outcome"] == "submitted"
    assert run.xcoms["verify_release"]["release_version"] == "1.4.0"
    run_id = open_ledger().entries(most=1)[0].task.run_id
    rows = {(row.endpoint, row.task.task_id, row.result) for row in open_ledger().entries(run_id=run_id)}
    assert rows == {
        ("setwebviewdomain", "configure_domains", "ok"),
        ("commit", "commit", "ok"),
        ("submit_audit", "submit_audit", "ok"),
        ("release", "release", "ok"),
    }


def test_an_operators_output_has_each_field_of_its_outcome() -> None:
    with DAG("outputs", schedule=None):
        submit = WxaSubmitAuditOperator(task_id="submit_audit", **VERSION)
        WxaReleaseOperator(task_id="release", auditid=submit.output["auditid"], **VERSION)
    assert submit.multiple_outputs


def uploaded(wechat: RunningSandbox, **upload: Any) -> MiniProgram:
    """Return the Mini Program, after another tool has uploaded its trial version."""
    account = wechat.world.mini_program(APPID)
    reviewed_at_once(account)
    account.commit(**OURS | {"pages": ["pages/index/index"], "now": 1_760_000_000, "direct_commit": False} | upload)
    return account


def run(operator: type[Any], **fields: Any) -> Any:
    return operator(**{"task_id": "t", "appid": APPID, "adopt_trial": OURS} | fields).execute({})


def test_an_adopted_trial_version_is_released_and_its_approval_names_it(wxa_default: RunningSandbox) -> None:
    account = uploaded(wxa_default)
    ended = run_dag(release_adopted_trial, answers="Approve")
    assert ended.errors == {}
    assert set(ended.states.values()) == {"success"}
    info: Any = account.release_info
    assert info["release_desc"] == OURS["user_desc"]
    asked = {name: ended.xcoms["approve_release"][name] for name in ("user_version", "user_desc", "auditid")}
    assert asked == {**OURS, "auditid": ended.xcoms["submit_audit"]["auditid"]}
    assert wxa_default.journal.count("/wxa/commit") == 0
    run_id = open_ledger().entries(most=1)[0].task.run_id
    assert {row.endpoint for row in open_ledger().entries(run_id=run_id)} >= {"submit_audit", "release"}


def with_drafts(wechat: RunningSandbox, *drafts: Draft) -> Platform:
    """Return the platform, after a pipeline has uploaded these drafts."""
    platform = wechat.world.platforms[0]
    platform.drafts = list(drafts)
    return platform


def add(**fields: Any) -> Any:
    return WxaAddToTemplateOperator(task_id="t", **fields).execute({})


def test_a_draft_is_released_and_cleared_runs_find_its_template(wxa_default: RunningSandbox) -> None:
    platform = with_drafts(wxa_default, Draft(draft_id=11), Draft(draft_id=12, **OURS))
    reviewed_at_once(wxa_default.world.mini_program(APPID))
    ended = run_dag(release_draft, answers="Approve")
    assert ended.errors == {}
    assert set(ended.states.values()) == {"success"}
    (template,) = platform.templates
    assert ended.xcoms["add_to_template"]["template_id"] == template.template_id
    assert calls(wxa_default.journal, "/wxa/commit")[0].body["template_id"] == template.template_id
    assert online(wxa_default) == "1.4.0"
    assert add(user_desc=OURS["user_desc"])["outcome"] == "unchanged"
    assert len(platform.templates) == 1


def test_a_draft_uploaded_anew_under_the_same_id_is_a_template_of_its_own(wxa_default: RunningSandbox) -> None:
    platform = with_drafts(wxa_default, Draft(draft_id=12, **OURS))
    first = add(**OURS)["template_id"]
    platform.drafts = [Draft(draft_id=12, **OURS, create_time=wxa_default.world.now() + 60)]
    wxa_default.world.advance(120)
    assert add(**OURS)["template_id"] != first


@pytest.mark.parametrize(
    ("drafts", "fields", "said"),
    [
        ([], {"user_version": "1.4.0"}, "there is no draft at all"),
        ([11], {"user_version": "1.5.0"}, "draft 11: user_version = '1.4.0'"),
        ([11, 12], {"user_version": "1.4.0"}, "2 of the drafts is the one meant"),
        ([11], {}, "neither user_version nor user_desc"),
    ],
)
def test_a_draft_that_is_not_told_exactly_is_not_added(
    wxa_default: RunningSandbox, drafts: list[int], fields: dict[str, str], said: str
) -> None:
    with_drafts(wxa_default, *(Draft(draft_id=each, **OURS) for each in drafts))
    with pytest.raises(AirflowFailException, match=said):
        add(**fields)
    assert wxa_default.journal.count("/wxa/addtotemplate") == 0


@pytest.mark.parametrize("theirs", [{"user_version": "1.4.1"}, {"user_desc": "checkout, build 813"}, {"user_desc": ""}])
def test_another_version_or_description_is_somebody_elses(wxa_default: RunningSandbox, theirs: dict[str, str]) -> None:
    uploaded(wxa_default, **theirs)
    with pytest.raises(AirflowFailException, match="the trial version is not the one") as raised:
        run(WxaSubmitAuditOperator)
    assert "set adopt_trial to what is on trial" in str(raised.value)
    assert wxa_default.journal.count("/wxa/submit_audit") == 0


def test_an_older_approved_sheet_under_the_same_names_is_not_published(wxa_default: RunningSandbox) -> None:
    uploaded(wxa_default)
    old = run(WxaSubmitAuditOperator)["auditid"]
    uploaded(wxa_default, now=1_760_000_500)
    with pytest.raises(AirflowFailException, match="the latest audit sheet is not of this version"):
        run(WxaReleaseOperator, auditid="999")
    new = run(WxaSubmitAuditOperator)
    assert (new["outcome"], new["auditid"] == old) == ("submitted", False)
    with pytest.raises(AirflowFailException, match="the latest audit sheet is not of this version"):
        run(WxaReleaseOperator, auditid=old)
    assert wxa_default.journal.count("/wxa/release") == 0


@pytest.mark.parametrize("polls", [0, 9])
def test_a_submission_that_is_cleared_adopts_its_own_sheet_in_audit_or_approved(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, polls: int
) -> None:
    if not polls:  # the ledger knows what this run submitted
        in_a_run = TaskRef(dag_id="own_uploads", run_id="cleared", task_id="t")
        monkeypatch.setattr("airflow_wxa.hooks.wxa.current_task", lambda *_: in_a_run)
    uploaded(wxa_default).audit = AuditPlan(polls=polls)
    first, again = (run(WxaSubmitAuditOperator) for _ in range(2))
    assert (again["outcome"], again["auditid"]) == ("adopted", first["auditid"])
    assert wxa_default.journal.count("/wxa/submit_audit") == 1


def test_a_version_of_the_same_names_online_before_does_not_count_as_released(wxa_default: RunningSandbox) -> None:
    for outcome in ("released", "released"):
        uploaded(wxa_default)
        auditid = run(WxaSubmitAuditOperator)["auditid"]
        assert run(WxaReleaseOperator, auditid=auditid)["outcome"] == outcome
        assert run(WxaVerifyReleaseOperator)["release_version"] == "1.4.0"
    assert run(WxaReleaseOperator, auditid=auditid)["outcome"] == "already_released"


def test_what_carries_a_mark_cannot_be_adopted(wxa_default: RunningSandbox) -> None:
    marked = OURS | {"user_desc": "spring [wxa:1a2b3c4d]"}
    uploaded(wxa_default, **marked)
    with pytest.raises(AirflowFailException, match="name its template_id and ext_json"):
        run(WxaSubmitAuditOperator, adopt_trial=marked)
    assert wxa_default.journal == []


def test_every_problem_of_an_adoption_is_named_at_once(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException) as raised:
        run(WxaSubmitAuditOperator, adopt_trial={"user_desc": " ", "desc": "x"}, template_id=47, ext_json={"ext": {}})
    for line in ("template_id = ", "ext_json = ", "adopt_trial.desc: ", "adopt_trial.user_version = None", "user_desc"):
        assert f"- {line}" in str(raised.value) or f"- adopt_trial.{line}" in str(raised.value)


@pytest.mark.parametrize("cls", [WxaReleaseOperator, WxaApproveReleaseOperator])
def test_without_auditid_nothing_adopted_is_asked_about_or_published(
    wxa_default: RunningSandbox, cls: type[Any]
) -> None:
    uploaded(wxa_default)
    with pytest.raises(AirflowFailException, match="nothing tells which audit sheet"):
        run(cls)
    assert wxa_default.journal == []


def test_an_upload_with_direct_commit_cannot_be_submitted_and_the_error_says_so(wxa_default: RunningSandbox) -> None:
    uploaded(wxa_default, direct_commit=True)
    with pytest.raises(AirflowFailException, match="85086") as raised:
        run(WxaSubmitAuditOperator)
    assert "directCommit" in str(raised.value)

"""Operators of one call each, and the hook's method for plain calls, against a strict and a loose sandbox."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa import operators
from airflow_wxa.errors import WxaBusyError, WxaTransportError
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.sandbox import AuditPlan, Fault, MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.handlers.code import qrcode
from airflow_wxa.sandbox.platforms import Template
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN
from tests.airflow_session import calls, run_dag
from tests.operators.accounts import VERSION, either, run, submitted

UNDO, GRAY, REVERT = "/wxa/undocodeaudit", "/wxa/grayrelease", "/wxa/revertgrayrelease"
DNS: dict[str, Any] = {"prefetch_dns_domain": [{"url": "a"}]}
#: Operator, its fields, and what the Mini Program has then.
PLAIN: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (operators.WxaBindTesterOperator, {"wechatid": "lin"}, {"testers": ["lin"]}),
    (operators.WxaChangeVisitStatusOperator, {"action": "close"}, {"serving": False}),
    (operators.WxaSetPrefetchDnsDomainOperator, DNS, DNS),
    (operators.WxaSetSupportVersionOperator, {"version": "2.20.1"}, {"support_version": "2.20.1"}),
]


@pytest.fixture(autouse=True)
def platform(account: MiniProgram, wxa_default: RunningSandbox) -> Platform:
    """Return the platform, with a template and a speed-up; the reviewers take their time."""
    account.audit, platform = AuditPlan(polls=10**6), wxa_default.world.platforms[0]
    platform.templates, platform.speedup_rest = [Template(template_id=48)], 1
    return platform


@either
def test_plain_calls_do_what_they_say_once_and_twice(account: MiniProgram) -> None:
    for operator, fields, becomes in PLAIN:
        for _ in range(2):
            assert run(operator, **fields)["errcode"] in (0, 85004)
        assert {name: getattr(account, name) for name in becomes} == becomes
        assert open_ledger().entries(appid=APPID)[0].endpoint == operator.act.writes[0]
    auditid = submitted()
    assert [run(operators.WxaSpeedUpAuditOperator, auditid=auditid)["errcode"] for _ in range(2)] == [0, 89404]
    assert account.sheets[-1].sped_up


def test_a_template_is_deleted_with_the_platforms_token(platform: Platform) -> None:
    delete = operators.WxaDeleteTemplateOperator(task_id="t", template_id=48)
    delete.execute({})
    assert platform.templates == []
    with pytest.raises(AirflowFailException, match="85064"):
        delete.execute({})


@pytest.mark.parametrize(("user_desc", "sent"), [("spring", "spring [wxa:"), ("", "1.4.0 [wxa:")])
def test_the_description_is_the_version_by_default(wxa_default: RunningSandbox, user_desc: str, sent: str) -> None:
    run(operators.WxaCommitOperator, **VERSION, user_desc=user_desc)
    (commit,) = calls(wxa_default.journal, "/wxa/commit")
    assert commit.body["user_desc"].startswith(sent)


@pytest.mark.parametrize(
    ("operator", "fields"),
    [
        (operators.WxaReleaseOperator, VERSION),
        (operators.WxaGrayReleaseOperator, {**VERSION, "gray_percentage": 5}),
        (operators.WxaRollbackOperator, {"plan": {"appid": APPID}, "approval_task_id": "approve"}),
    ],
)
def test_openlineage_is_told_a_dataset_for_each_mini_program(operator: type[Any], fields: dict[str, Any]) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    lineage = operator(task_id="publish", **fields).get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.outputs] == [(f"wxa://{APPID}", "release")]
    assert lineage.inputs == []


@either
def test_the_hook_reads(account: MiniProgram) -> None:
    assert WxaHook().call("getvisitstatus", APPID)["status"] == 1
    assert WxaHook().call("quota/get", APPID, cgi_path="/wxa/commit")["quota"]["remain"] == 10_000
    assert WxaHook().call("getgrayreleaseplan", APPID)["gray_release_plan"]["gray_percentage"] == 0


def test_a_refusal_is_looked_up_by_its_rid_and_shows_no_token(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException):
        run(operators.WxaSpeedUpAuditOperator, auditid="1")
    [rid] = wxa_default.world.refused
    wxa_default.world.refused[rid]["request_url"] += f"?access_token={MERCHANT_TOKEN}"
    wxa_default.world.refused[rid]["response_body"] = json.dumps({"authorizer_access_token": MERCHANT_TOKEN, "a": 1})
    told = WxaHook().call("rid/get", APPID, rid=rid)
    assert told["request"]["request_url"] == "/wxa/speedupaudit?access_token=***"
    assert MERCHANT_TOKEN not in json.dumps(told)
    assert '"a": 1' in told["request"]["response_body"]


def test_a_call_with_steps_of_its_own_and_a_field_of_no_schema_are_not_sent(wxa_default: RunningSandbox) -> None:
    for endpoint in ("release", "undocodeaudit", "clear_quota", "api_query_auth", "get_qrcode", "no"):
        with pytest.raises(AirflowFailException, match="this call is not made"):
            WxaHook().call(endpoint, APPID)
    with pytest.raises(AirflowFailException, match="speed"):
        WxaHook().call("change_visitstatus", APPID, action="open", speed=1)
    assert wxa_default.journal == []


@either
@pytest.mark.parametrize("kind", ["", "drop_after", "errcode_after"])
def test_a_sheet_and_no_other_is_taken_back_once(account: MiniProgram, wxa_default: RunningSandbox, kind: Any) -> None:
    auditid = submitted()
    with pytest.raises(AirflowFailException, match=f"latest sheet {auditid}"):
        run(operators.WxaUndoAuditOperator, auditid="1")
    assert calls(wxa_default.journal, UNDO) == []
    if kind:
        wxa_default.add_fault(Fault(path=UNDO, kind=kind))
    try:
        first = run(operators.WxaUndoAuditOperator, auditid=auditid)
        assert kind or (first["outcome"], first["left"]) == ("withdrawn", 4)
    except (WxaTransportError, WxaBusyError):  # a replica that lags shows it in audit: left to a retry
        assert wxa_default.world.loose.lag
    assert run(operators.WxaUndoAuditOperator, auditid=auditid)["outcome"] == "already_withdrawn"
    assert len(account.withdrawals) == len(calls(wxa_default.journal, UNDO)) == 1


@pytest.mark.parametrize("path", ["", "pages/index/index?shop=8016&to=首页"])
def test_a_trial_qr_code_is_saved_by_page_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", str(tmp_path / "pictures"))
    run(operators.WxaCommitOperator, **VERSION)
    shown = run(operators.WxaTrialQrcodeOperator, path=path)
    file = Path(shown["file"])
    assert shown == {"outcome": "read", "appid": APPID, "path": path, "file": str(file)}
    assert file.parent == tmp_path / "pictures" / APPID
    assert file.read_bytes() == qrcode(f"{APPID} 1.4.0 {path}".strip())
    assert file.stat().st_mode & 0o777 == 0o600
    operator = operators.WxaTrialQrcodeOperator(task_id="qr", appid=APPID, path=path)
    ti = SimpleNamespace(dag_id="d", run_id="r")
    link = urlsplit(WxaTrialQrcodeLink().get_link(operator, ti_key=ti))  # type: ignore[arg-type]
    assert dict(parse_qsl(link.query)).get("page", "") == path
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", shown["file"])
    with pytest.raises(AirflowFailException, match=file.name):  # nothing can be saved below a file
        run(operators.WxaTrialQrcodeOperator)


@pytest.mark.parametrize("kind", ["", "drop_after", "errcode_before"])
def test_a_picture_is_uploaded_and_goes_to_the_reviewer(wxa_default: RunningSandbox, tmp_path: Path, kind: Any) -> None:
    if kind:
        wxa_default.add_fault(Fault(path="/wxa/uploadmedia", kind=kind))
    file = tmp_path / 'shop "1".png'
    file.write_bytes(b"\x89PNG and more")
    uploaded = run(operators.WxaUploadMediaOperator, file=str(file))
    assert uploaded["type"] == "image"
    (entry,) = open_ledger().entries(appid=APPID)
    assert entry.asked == {"name": file.name, "media_type": "image/png", "bytes": 13}
    run(operators.WxaCommitOperator, **VERSION)
    preview = {"pic_id_list": [uploaded["mediaid"]]}
    run(operators.WxaSubmitAuditOperator, **VERSION, preview_info=preview, ugc_declare={"scene": [0]})
    assert calls(wxa_default.journal, "/wxa/submit_audit")[-1].body["preview_info"] == preview


@pytest.mark.parametrize(("name", "said"), [("absent.png", r"No\s+such\s+file"), ("notes.txt", "a picture or a video")])
def test_what_is_no_picture_is_not_sent(wxa_default: RunningSandbox, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(AirflowFailException, match=said):
        run(operators.WxaUploadMediaOperator, file=str(tmp_path / name))
    assert wxa_default.journal == []


# Staged releases: the part only rises, nothing but our approved version is shown, and it can be taken back


@pytest.fixture
def approved(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    wxa_default.world.loose = replace(wxa_default.world.loose, lag={})
    account.release_info = {"release_time": 1, "release_version": "1.3.0", "release_desc": ""}
    account.audit = AuditPlan(polls=0)
    submitted()


def gray(percentage: int) -> Any:
    return run(operators.WxaGrayReleaseOperator, **VERSION, gray_percentage=percentage)


def revert() -> Any:
    return run(operators.WxaRevertGrayReleaseOperator)


@either
@pytest.mark.usefixtures("approved")
def test_the_part_rises_and_is_taken_back(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    assert run(operators.WxaGrayReleaseOperator, **VERSION, gray_percentage=0, support_experiencer_first=True) == {
        "outcome": "raised",
        "appid": APPID,
        "gray_percentage": 0,
        "status": "running",
    }
    assert [gray(part)["outcome"] for part in (30, 30, 60)] == ["raised", "unchanged", "raised"]
    assert (account.gray["gray_percentage"], len(calls(wxa_default.journal, GRAY))) == (60, 3)
    assert [revert()["outcome"] for _ in range(2)] == ["reverted", "already_reverted"]
    assert (account.gray["status"], len(calls(wxa_default.journal, REVERT))) == (4, 1)
    assert (account.release_info or {})["release_version"] == "1.3.0"


@pytest.mark.usefixtures("approved")
def test_what_is_no_rise_and_nothing_to_take_back_is_not_sent(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException, match="no staged release runs"):
        revert()
    gray(50)
    with pytest.raises(AirflowFailException, match="50 percent of the users see a version already"):
        gray(20)
    with pytest.raises(AirflowFailException, match="gray_percentage = 101: must be a whole number"):
        gray(101)
    assert len(calls(wxa_default.journal, GRAY, REVERT)) == 1


@pytest.mark.usefixtures("approved")
def test_an_approved_version_goes_to_a_part_and_then_to_all(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    auditid = str(account.sheets[-1].auditid)
    with DAG("staged", schedule=None) as dag:
        approve = operators.WxaApproveReleaseOperator(task_id="approve", auditid=auditid, **VERSION)
        approved: dict[str, Any] = VERSION | {"auditid": auditid, "approval_task_id": "approve"}
        gray_10, gray_50 = (
            operators.WxaGrayReleaseOperator(task_id=f"gray_{part}", gray_percentage=part, **approved)
            for part in (10, 50)
        )
        approve >> gray_10 >> gray_50 >> operators.WxaReleaseOperator(task_id="release", **approved)
    run = run_dag(dag, answers="Approve")
    assert set(run.states.values()) == {"success"}, run.errors
    assert [entry.body["gray_percentage"] for entry in calls(wxa_default.journal, GRAY)] == [10, 50]
    assert (account.release_info or {})["release_version"] == "1.4.0"

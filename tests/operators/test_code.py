from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.errors import WxaTransportError
from airflow_wxa.operators import (
    WxaCommitOperator,
    WxaGrayReleaseOperator,
    WxaReleaseOperator,
    WxaRollbackOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.release import FIELDS
from airflow_wxa.sandbox import AuditPlan, Fault
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import calls

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

VERSION = {"task_id": "t", "appid": APPID, "template_id": "47", "user_version": "1.4.0"}
TOO_LONG = "9" * (FIELDS["user_version"].schema["maxLength"] + 1)


@pytest.fixture(autouse=True)
def quick_review(airflow_database: None, wxa_default: RunningSandbox) -> None:
    """Scan and audit end at once, so that the operators can follow each other without a sensor between them."""
    account = wxa_default.world.mini_program(APPID)
    account.scan_polls = 0
    account.audit = AuditPlan(polls=0)


def run(operator: type[Any], **fields: Any) -> Any:
    return operator(**VERSION | fields).execute({})


def test_the_four_carry_one_version_from_commit_to_proof(wxa_default: RunningSandbox) -> None:
    assert run(WxaCommitOperator)["outcome"] == "committed"
    submitted = run(WxaSubmitAuditOperator)
    assert submitted["outcome"] == "submitted"
    released = run(WxaReleaseOperator)
    assert (released["outcome"], released["release_version"]) == ("released", "1.4.0")
    assert run(WxaVerifyReleaseOperator)["outcome"] == "released"
    assert wxa_default.world.mini_program(APPID).release_info is not None


def test_each_may_run_again_and_changes_nothing(wxa_default: RunningSandbox) -> None:
    operators = (WxaCommitOperator, WxaSubmitAuditOperator, WxaReleaseOperator)
    words = [[run(operator)["outcome"] for _ in range(2)] for operator in operators]
    assert words == [["committed", "unchanged"], ["submitted", "adopted"], ["released", "already_released"]]
    for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
        assert len(calls(wxa_default.journal, path)) == 1


@pytest.mark.parametrize(
    ("fields", "sent"),
    [({}, "1.4.0 [wxa:"), ({"user_desc": "spring"}, "spring [wxa:"), ({"user_desc": ""}, "1.4.0 [wxa:")],
)
def test_the_description_is_the_version_unless_one_is_given(
    wxa_default: RunningSandbox, fields: dict[str, Any], sent: str
) -> None:
    run(WxaCommitOperator, **fields)
    (commit,) = calls(wxa_default.journal, "/wxa/commit")
    assert commit.body["user_desc"].startswith(sent)


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (WxaSubmitAuditOperator, "the trial version is not the one that this release commits"),
        (WxaReleaseOperator, "the latest audit sheet is not of this version"),
        (WxaVerifyReleaseOperator, "another version is online than the one released"),
    ],
)
def test_another_version_is_never_carried_on(wxa_default: RunningSandbox, operator: type[Any], said: str) -> None:
    for step in (WxaCommitOperator, WxaSubmitAuditOperator, WxaReleaseOperator):
        run(step)
    before = len(calls(wxa_default.journal, "/wxa/submit_audit", "/wxa/release"))
    with pytest.raises(AirflowFailException, match=said) as failed:
        run(operator, user_version="1.5.0")
    assert "1.4.0" in str(failed.value)
    assert "1.5.0" in str(failed.value)
    assert len(calls(wxa_default.journal, "/wxa/submit_audit", "/wxa/release")) == before


def test_a_domain_that_is_not_effective_fails_the_proof_and_is_named() -> None:
    for step in (WxaCommitOperator, WxaSubmitAuditOperator, WxaReleaseOperator):
        run(step)
    with pytest.raises(AirflowFailException, match=r"missing https://m\.example\.com"):
        run(WxaVerifyReleaseOperator, webviewdomain=["https://m.example.com"])
    assert run(WxaVerifyReleaseOperator, webviewdomain=["https://m.example.com"], individual=True)["effective"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"template_id": "forty-seven"},
        {"user_version": ""},
        {"ext_json": {"extAppid": "wx00000000000000ff"}},
        {"template_id": "4" * 19, "user_version": TOO_LONG},
    ],
)
@pytest.mark.parametrize("operator", [WxaCommitOperator, WxaSubmitAuditOperator, WxaReleaseOperator])
def test_a_version_that_cannot_be_is_refused_before_anything_is_sent(
    wxa_default: RunningSandbox, operator: type[Any], fields: dict[str, Any]
) -> None:
    with pytest.raises(AirflowFailException, match="nothing was sent") as failed:
        run(operator, **fields)
    assert all(name in str(failed.value) for name in fields)
    assert wxa_default.journal == []


def test_a_lost_connection_is_left_to_the_retries(wxa_default: RunningSandbox) -> None:
    wxa_default.add_fault(Fault(path="/wxa/commit", kind="drop_before"))
    with pytest.raises(WxaTransportError, match="commit got no answer"):
        run(WxaCommitOperator)


@pytest.mark.parametrize(("errcode", "said"), [(85085, "quota"), (86002, "errcode 86002"), (61007, "errcode 61007")])
def test_a_refused_submission_fails_at_once(wxa_default: RunningSandbox, errcode: int, said: str) -> None:
    run(WxaCommitOperator)
    wxa_default.add_fault(Fault(path="/wxa/submit_audit", kind="errcode_before", errcode=errcode))
    with pytest.raises(AirflowFailException, match=said):
        run(WxaSubmitAuditOperator)


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (WxaReleaseOperator, {"appid": APPID, "template_id": 47, "user_version": "1"}),
        (WxaGrayReleaseOperator, {"appid": APPID, "template_id": 47, "user_version": "1", "gray_percentage": 5}),
        (WxaRollbackOperator, {"plan": {"appid": APPID}, "approval_task_id": "approve"}),
    ],
)
def test_openlineage_is_told_a_dataset_for_each_mini_program(operator: type[Any], arguments: dict[str, Any]) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    lineage = operator(task_id="publish", **arguments).get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.outputs] == [(f"wxa://{APPID}", "release")]
    assert lineage.inputs == []

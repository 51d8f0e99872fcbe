from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.operators import (
    WxaCommitOperator,
    WxaGrayReleaseOperator,
    WxaReleaseOperator,
    WxaRollbackOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.release import FIELDS
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import calls
from tests.operators.accounts import VERSION, run

pytestmark = pytest.mark.usefixtures("account")
TOO_LONG = "9" * (FIELDS["user_version"].schema["maxLength"] + 1)


def test_one_version_goes_from_commit_to_proof_and_each_may_run_again(wxa_default: RunningSandbox) -> None:
    operators = (WxaCommitOperator, WxaSubmitAuditOperator, WxaReleaseOperator)
    words = [[run(operator, **VERSION)["outcome"] for _ in range(2)] for operator in operators]
    assert words == [["committed", "unchanged"], ["submitted", "adopted"], ["released", "already_released"]]
    for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
        assert len(calls(wxa_default.journal, path)) == 1
    assert run(WxaVerifyReleaseOperator, **VERSION)["release_version"] == "1.4.0"


@pytest.mark.parametrize(("user_desc", "sent"), [("spring", "spring [wxa:"), ("", "1.4.0 [wxa:")])
def test_the_description_is_the_version_unless_one_is_given(
    wxa_default: RunningSandbox, user_desc: str, sent: str
) -> None:
    run(WxaCommitOperator, **VERSION, user_desc=user_desc)
    (commit,) = calls(wxa_default.journal, "/wxa/commit")
    assert commit.body["user_desc"].startswith(sent)


@pytest.mark.parametrize("operator", [WxaCommitOperator, WxaSubmitAuditOperator, WxaReleaseOperator])
def test_a_version_that_cannot_be_is_refused_before_anything_is_sent(
    wxa_default: RunningSandbox, operator: type[Any]
) -> None:
    with pytest.raises(AirflowFailException, match=r"nothing was sent(.|\n)*template_id(.|\n)*user_version"):
        run(operator, template_id="4" * 19, user_version=TOO_LONG)
    assert wxa_default.journal == []


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

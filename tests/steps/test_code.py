"""Committing: once, ours, and never over somebody's running audit; then the privacy scan."""

from typing import Any

import pytest

from airflow_wxa.api.log_text import log_text
from airflow_wxa.errors import (
    WxaBusyError,
    WxaError,
    WxaInputError,
    WxaPermissionError,
    WxaStateError,
    WxaTransportError,
)
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import privacy_scan
from tests.steps.answers import (
    APPROVED,
    AUDITING,
    DELAYED,
    FOREIGN,
    LOST,
    NO_SHEET,
    OURS,
    REJECTED,
    VERSION,
    WITHDRAWN,
    a_sheet,
    commits,
    versions,
)
from tests.steps.conftest import Script

FRESH = [versions(), versions(OURS)]
THEIR_TRIAL = "commit stopped(.|\n)*trial version 9.9.9, its description their release .wxa:0badcafe., ours 1.4.0 .wxa:"
THEIR_SHEET = "commit stopped: another version(.|\n)*in audit 9.9.9, .*auditid 1234567"


def test_a_fresh_mini_program_is_committed_to_and_read_back(script: Script) -> None:
    outcome = commits(script, *FRESH)
    assert outcome.to_json() == {
        "outcome": "committed",
        "appid": APPID,
        "user_version": "1.4.0",
        "fingerprint": VERSION.fingerprint,
        "superseded": None,
    }
    assert script.asked == ["getversioninfo", "get_latest_auditstatus", "commit", "getversioninfo"]
    assert script.bodies("commit")[0]["user_desc"] == f"release 1.4.0 [wxa:{VERSION.fingerprint}]"


@pytest.mark.parametrize(
    ("looks", "sheet", "said", "superseded"),
    [
        ([versions(FOREIGN, FOREIGN), versions(OURS, FOREIGN)], NO_SHEET, 0, None),  # normal before our first commit
        *((FRESH, a_sheet(OURS, status), 0, None) for status in (REJECTED, WITHDRAWN)),
        *((FRESH, a_sheet(FOREIGN, status), 0, "9.9.9") for status in (APPROVED, REJECTED, WITHDRAWN)),
        *((FRESH, NO_SHEET, said, None) for said in (LOST, -1, 9402202)),  # read back, and not sent again
    ],
)
def test_ended_sheets_foreign_trials_and_lost_answers_keep_nobody_from_committing_once(
    script: Script, looks: Any, sheet: Any, said: Any, superseded: str | None
) -> None:
    outcome = commits(script, *looks, sheets=sheet, said=said)
    assert (outcome.outcome, outcome.superseded) == ("committed", superseded)
    assert script.asked.count("commit") == 1


@pytest.mark.parametrize(
    ("trial", "sheet"),
    [
        *((OURS, none) for none in (NO_SHEET, 85012, 86001)),  # three codes say that there is no sheet
        *((FOREIGN, a_sheet(OURS, status)) for status in (AUDITING, DELAYED, APPROVED)),
    ],
)
def test_what_is_on_trial_in_audit_or_approved_is_not_committed_again(script: Script, trial: Any, sheet: Any) -> None:
    assert commits(script, versions(trial), sheets=sheet, said=None).outcome == "unchanged"


@pytest.mark.parametrize(
    ("looks", "sheet", "said", "error", "told"),
    [
        ([versions(), versions(FOREIGN)], NO_SHEET, 0, WxaStateError, THEIR_TRIAL),
        ([versions(FOREIGN), versions()], NO_SHEET, 0, WxaStateError, "trial version none"),
        *(
            ([versions()], a_sheet(FOREIGN, status), None, WxaStateError, f"{THEIR_SHEET}, status {word}")
            for status, word in ((AUDITING, "auditing"), (DELAYED, "delayed"))
        ),
        ([versions(), versions()], NO_SHEET, LOST, WxaTransportError, "got no answer"),
        ([versions(FOREIGN), versions(FOREIGN)], NO_SHEET, LOST, WxaTransportError, "got no answer"),
        ([versions(), versions()], NO_SHEET, -1, WxaBusyError, "-1"),
        ([versions()], NO_SHEET, 85014, WxaInputError, "85014"),  # it is not read back
        ([versions()], 86000, None, WxaPermissionError, "86000"),  # any other code for the sheet
    ],
)
def test_a_commit_that_is_not_ours_in_the_end_or_must_not_be_sent_is_an_error(
    script: Script, looks: Any, sheet: Any, said: Any, error: type[WxaError], told: str
) -> None:
    with pytest.raises(error, match=told) as raised:
        commits(script, *looks, sheets=sheet, said=said)
    assert raised.value.retryable is (error in (WxaTransportError, WxaBusyError))


CLEAR = {"errcode": 0, "without_auth_list": [], "without_conf_list": []}


@pytest.mark.parametrize("answer", [CLEAR, {"errcode": 0}, {"without_auth_list": []}])
def test_a_scan_without_findings_is_clear(script: Script, answer: dict[str, Any]) -> None:
    outcome = script.play(privacy_scan(APPID), scan=answer)
    assert outcome.to_json() == {"outcome": "clear", "appid": APPID, "without_auth_list": [], "without_conf_list": []}


A, B = "wx.getLocation", "wx.chooseAddress"


@pytest.mark.parametrize(
    ("rights", "declared", "cure"),
    [
        ([A], [], ("WxaApplyPrivacyInterfaceOperator", "逐一申请")),
        ([], [B], ("declare them in requiredPrivateInfos", "声明")),
        ([A], [B], ("those without right with WxaApplyPrivacyInterfaceOperator", "无权限的")),
    ],
)
def test_findings_are_named_with_their_cure_before_the_submission_is_refused_for_them(
    script: Script, rights: list[str], declared: list[str], cure: tuple[str, str]
) -> None:
    found = CLEAR | {"without_auth_list": rights, "without_conf_list": declared}
    said = f"without right {', '.join(rights) or 'none'}, without declaration {', '.join(declared) or 'none'}"
    with pytest.raises(WxaInputError, match=said) as raised:
        script.play(privacy_scan(APPID), scan=found)
    assert raised.value.errcode == 61040
    assert all(each in log_text(raised.value).replace("\n    ", " ") for each in cure)
    outcome = script.play(privacy_scan(APPID, privacy_api_not_use=True), scan=found)
    assert outcome.outcome == "clear"  # declared unused, they are shown and no error
    assert (list(outcome.without_auth_list), list(outcome.without_conf_list)) == (rights, declared)


def test_a_scan_that_runs_is_an_outcome_and_61040_is_clear_only_if_declared_unused(script: Script) -> None:
    assert script.play(privacy_scan(APPID), scan=61039).outcome == "scanning"
    assert script.play(privacy_scan(APPID, privacy_api_not_use=True), scan=61040).outcome == "clear"
    with pytest.raises(WxaInputError, match="61040"):
        script.play(privacy_scan(APPID), scan=61040)
    with pytest.raises(WxaBusyError):  # any other code is an error
        script.play(privacy_scan(APPID, privacy_api_not_use=True), scan=-1)

"""Committing: once, ours, and never over somebody's running audit; then the privacy scan."""

from typing import Any

import pytest

from airflow_wxa.api.log_text import log_text
from airflow_wxa.errors import WxaBusyError, WxaInputError, WxaPermissionError, WxaSpecError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import CommitOutcome, PrivacyOutcome, commit_code, privacy_scan
from tests.steps.answers import ENDED, FOREIGN, LIVE, LOST, NO_SHEET, OPEN, OURS, VERSION, sheet, versions
from tests.steps.conftest import Ending, Script, done, stops

FRESH, UNSENT = [versions(), versions(OURS)], {"said": None}
COMMITTED, SUPERSEDED = (done("committed", superseded=version) for version in (None, "9.9.9"))
UNCHANGED = done("unchanged")
THEIRS = "trial version 9.9.9, its description their release .wxa:0badcafe., ours 1.4.0 .wxa:"
IN_AUDIT = r"commit stopped: another version[\s\S]*in audit 9.9.9, .*auditid 1234567"
CUT = "WeChat cut the description off"


def cut_off(kept: int) -> dict[str, Any]:
    """Return our version as WeChat shows it where it keeps so many characters of the description."""
    return OURS | {"user_desc": OURS["user_desc"][:kept]}


def test_a_fresh_mini_program_is_committed_to_and_read_back(script: Script) -> None:
    outcome = script.commits(*FRESH)
    assert outcome == CommitOutcome("committed", APPID, "1.4.0", VERSION.fingerprint)
    assert script.asked == ["getversioninfo", "get_latest_auditstatus", "commit", "getversioninfo"]
    assert script.bodies("commit")[0]["user_desc"] == f"release 1.4.0 [wxa:{VERSION.fingerprint}]"


#: What WeChat shows, look by look, and else; and how the commit ends.
COMMITS: list[tuple[list[Any], Any, Ending]] = [
    # An ended sheet or a foreign trial, normal before our first commit, keeps nobody from committing.
    ([versions(FOREIGN, FOREIGN), versions(OURS, FOREIGN)], {}, COMMITTED),
    *[(FRESH, {"sheets": sheet(OURS, each)}, COMMITTED) for each in ENDED],
    *[
        (FRESH, {"sheets": sheet(FOREIGN, each)}, done("committed", superseded="9.9.9"))
        for each in ("approved", *ENDED)
    ],
    *[(FRESH, {"said": said}, COMMITTED) for said in (LOST, -1, 9402202)],  # read back, and not sent again
    # What is on trial, in audit or approved is not committed again; three codes say that there is no sheet.
    *[([versions(OURS)], UNSENT | {"sheets": none}, UNCHANGED) for none in (NO_SHEET, 85012, 86001)],
    *[([versions(FOREIGN)], UNSENT | {"sheets": sheet(OURS, each)}, UNCHANGED) for each in LIVE],
    # A commit that is not ours in the end, or must not be sent, is an error.
    ([versions(), versions(FOREIGN)], {}, stops(WxaStateError, r"commit stopped[\s\S]*" + THEIRS, retryable=False)),
    ([versions(FOREIGN), versions()], {}, stops(WxaStateError, "trial version none", retryable=False)),
    *[
        ([versions()], UNSENT | {"sheets": sheet(FOREIGN, each)}, stops(WxaStateError, f"{IN_AUDIT}, status {each}"))
        for each in OPEN
    ],
    *[([seen, seen], {"said": LOST}, stops(LOST)) for seen in (versions(), versions(FOREIGN))],
    ([versions()] * 2, {"said": -1}, stops(WxaBusyError, errcode=-1, retryable=True)),
    ([versions()], {"said": 85014}, stops(WxaInputError, errcode=85014, retryable=False)),  # it is not read back
    (
        [versions()],
        UNSENT | {"sheets": 86000},
        stops(WxaPermissionError, errcode=86000),
    ),  # any other code for the sheet
    *[
        ([versions(), versions(cut_off(kept))], {}, stops(WxaStateError, CUT, f"at most {most} char", retryable=False))
        for kept, most in ((13, 0), (17, 2), (25, 10))
    ],
    ([versions()], UNSENT | {"sheets": sheet(cut_off(-3), "auditing"), "withdraw": True}, stops(WxaStateError, CUT)),
]


@pytest.mark.parametrize(("looks", "more", "ending"), COMMITS)
def test_a_version_is_committed_once_or_said_why_not(script: Script, looks: Any, more: Any, ending: Ending) -> None:
    ending(lambda: script.commits(*looks, **more))


def test_a_mark_in_a_description_of_ones_own_is_refused_before_anything_is_sent(script: Script) -> None:
    with pytest.raises(WxaSpecError, match=r"holds \[wxa:"):
        script.play(commit_code(VERSION, VERSION.described("pasted from WeChat's console")))
    assert script.calls == []


CLEAR = {"errcode": 0, "without_auth_list": [], "without_conf_list": []}


@pytest.mark.parametrize("answer", [CLEAR, {"errcode": 0}, {"without_auth_list": []}])
def test_a_scan_without_findings_is_clear(script: Script, answer: dict[str, Any]) -> None:
    assert script.play(privacy_scan(APPID), scan=answer) == PrivacyOutcome("clear", APPID)


A, B = "wx.getLocation", "wx.chooseAddress"


#: Interfaces without right, without declaration, and what cures them in both languages.
FINDINGS = [
    ([A], [], ("WxaApplyPrivacyInterfaceOperator", "逐一申请")),
    ([], [B], ("declare them in requiredPrivateInfos", "声明")),
    ([A], [B], ("those without right with WxaApplyPrivacyInterfaceOperator", "无权限的")),
]


@pytest.mark.parametrize(("rights", "declared", "cure"), FINDINGS)
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

"""Committing: once, ours, and never over somebody's running audit; then the privacy scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaInputError, WxaPermissionError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import commit_code, privacy_scan
from tests.steps.answers import (
    APPROVED,
    AUDITING,
    DELAYED,
    FOREIGN,
    NO_SHEET,
    OURS,
    REJECTED,
    VERSION,
    WITHDRAWN,
    a_sheet,
    to_commit,
    versions,
)

if TYPE_CHECKING:
    from tests.steps.conftest import Script


def test_a_fresh_mini_program_is_committed_to_and_read_back(script: Script) -> None:
    outcome = script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(OURS)))
    assert outcome.to_json() == {
        "outcome": "committed",
        "appid": APPID,
        "user_version": "1.4.0",
        "fingerprint": VERSION.fingerprint,
        "superseded": None,
    }
    assert script.asked == ["getversioninfo", "get_latest_auditstatus", "commit", "getversioninfo"]
    assert script.bodies("commit")[0]["user_desc"] == f"release 1.4.0 [wxa:{VERSION.fingerprint}]"


def test_a_foreign_trial_before_our_commit_is_overwritten(script: Script) -> None:
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"), **to_commit(versions(FOREIGN, FOREIGN), versions(OURS, FOREIGN))
    )
    assert outcome.outcome == "committed"


def test_a_foreign_trial_after_our_commit_stops_and_is_named(script: Script) -> None:
    with pytest.raises(WxaStateError, match="commit stopped") as raised:
        script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(FOREIGN)))
    assert not raised.value.retryable
    assert "trial version 9.9.9, its description their release [wxa:0badcafe]" in str(raised.value)
    assert f"ours 1.4.0 {VERSION.mark}" in str(raised.value)


def test_no_trial_where_one_was_before_our_commit_stops(script: Script) -> None:
    with pytest.raises(WxaStateError, match="trial version none"):
        script.play(commit_code(VERSION, ""), **to_commit(versions(FOREIGN), versions()))


def test_our_trial_is_not_committed_again(script: Script) -> None:
    outcome = script.play(
        commit_code(VERSION, "another text, the same version"),
        getversioninfo=[versions(OURS)],
        get_latest_auditstatus=[NO_SHEET],
    )
    assert outcome.outcome == "unchanged"
    assert "commit" not in script.asked


@pytest.mark.parametrize("status", [AUDITING, DELAYED, APPROVED])
def test_our_live_sheet_is_not_disturbed_by_another_commit(script: Script, status: int) -> None:
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"),
        getversioninfo=[versions(FOREIGN)],
        get_latest_auditstatus=[a_sheet(OURS, status)],
    )
    assert outcome.outcome == "unchanged"


@pytest.mark.parametrize("status", [REJECTED, WITHDRAWN])
def test_our_ended_sheet_does_not_keep_us_from_committing(script: Script, status: int) -> None:
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(OURS), sheet=a_sheet(OURS, status))
    )
    assert (outcome.outcome, outcome.superseded) == ("committed", None)


@pytest.mark.parametrize(("status", "word"), [(AUDITING, "auditing"), (DELAYED, "delayed")])
def test_a_foreign_sheet_in_audit_stops_before_the_commit_and_is_named(script: Script, status: int, word: str) -> None:
    with pytest.raises(WxaStateError, match="commit stopped: another version of this Mini Program is in audit") as it:
        script.play(
            commit_code(VERSION, "release 1.4.0"),
            getversioninfo=[versions()],
            get_latest_auditstatus=[a_sheet(FOREIGN, status)],
        )
    assert "commit" not in script.asked
    assert f"in audit 9.9.9, its description their release [wxa:0badcafe], auditid 1234567, status {word}" in str(
        it.value
    )


@pytest.mark.parametrize("status", [APPROVED, REJECTED, WITHDRAWN])
def test_a_foreign_sheet_that_has_ended_is_superseded_and_named(script: Script, status: int) -> None:
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(OURS), sheet=a_sheet(FOREIGN, status))
    )
    assert (outcome.outcome, outcome.superseded) == ("committed", "9.9.9")


def test_a_lost_answer_is_read_back_instead_of_committed_again(script: Script, lost: WxaTransportError) -> None:
    outcome = script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(OURS), said=lost))
    assert outcome.outcome == "committed"
    assert script.asked.count("commit") == 1


@pytest.mark.parametrize("whose", [None, "foreign"])
def test_a_commit_that_was_lost_before_its_work_is_a_transport_error(
    script: Script, lost: WxaTransportError, whose: str | None
) -> None:
    trial = versions(FOREIGN if whose else None)
    with pytest.raises(WxaTransportError) as raised:
        script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(trial, trial, said=lost))
    assert raised.value is lost


@pytest.mark.parametrize("errcode", [-1, 9402202])
def test_a_busy_wechat_may_have_done_the_work_so_it_is_read(script: Script, errcode: int) -> None:
    outcome = script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(OURS), said=errcode))
    assert outcome.outcome == "committed"


def test_a_busy_wechat_that_did_nothing_is_repeated_by_the_task(script: Script) -> None:
    with pytest.raises(WxaBusyError) as raised:
        script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), versions(), said=-1))
    assert raised.value.retryable


def test_a_refused_commit_is_not_read_back(script: Script) -> None:
    with pytest.raises(WxaInputError, match="85014"):
        script.play(commit_code(VERSION, "release 1.4.0"), **to_commit(versions(), said=85014))


@pytest.mark.parametrize("errcode", [85058, 85012, 86001])
def test_three_codes_say_that_there_is_no_sheet(script: Script, errcode: int) -> None:
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"),
        getversioninfo=[versions(OURS)],
        get_latest_auditstatus=[errcode],
    )
    assert outcome.outcome == "unchanged"


def test_any_other_code_for_the_sheet_is_an_error(script: Script) -> None:
    with pytest.raises(WxaPermissionError, match="86000"):
        script.play(commit_code(VERSION, "release 1.4.0"), getversioninfo=[versions()], get_latest_auditstatus=[86000])


CLEAR = {"errcode": 0, "without_auth_list": [], "without_conf_list": []}


@pytest.mark.parametrize("answer", [CLEAR, {"errcode": 0}, {"without_auth_list": []}])
def test_a_scan_without_findings_is_clear(script: Script, answer: dict[str, Any]) -> None:
    outcome = script.play(privacy_scan(APPID), get_code_privacy_info=[answer])
    assert outcome.to_json() == {
        "outcome": "clear",
        "appid": APPID,
        "without_auth_list": [],
        "without_conf_list": [],
    }


def test_61039_means_that_the_scan_still_runs(script: Script) -> None:
    assert script.play(privacy_scan(APPID), get_code_privacy_info=[61039]).outcome == "scanning"


@pytest.mark.parametrize(
    ("found", "said", "cure"),
    [
        (
            {"without_auth_list": ["wx.getLocation"]},
            "without right wx.getLocation, without declaration none",
            "WxaApplyPrivacyInterfaceOperator",
        ),
        (
            {"without_conf_list": ["wx.chooseAddress"]},
            "without right none, without declaration wx.chooseAddress",
            "requiredPrivateInfos",
        ),
    ],
)
def test_findings_are_named_before_the_submission_is_refused_for_them(
    script: Script, found: dict[str, Any], said: str, cure: str
) -> None:
    with pytest.raises(WxaInputError) as raised:
        script.play(privacy_scan(APPID), get_code_privacy_info=[CLEAR | found])
    assert raised.value.errcode == 61040
    assert said in str(raised.value)
    assert cure in str(raised.value)


def test_findings_that_are_declared_unused_are_shown_and_no_error(script: Script) -> None:
    found = CLEAR | {"without_auth_list": ["wx.getLocation"]}
    outcome = script.play(privacy_scan(APPID, privacy_api_not_use=True), get_code_privacy_info=[found])
    assert (outcome.outcome, outcome.without_auth_list) == ("clear", ("wx.getLocation",))


def test_61040_is_clear_only_when_the_interfaces_are_declared_unused(script: Script) -> None:
    assert script.play(privacy_scan(APPID, privacy_api_not_use=True), get_code_privacy_info=[61040]).outcome == "clear"
    with pytest.raises(WxaInputError, match="61040"):
        script.play(privacy_scan(APPID), get_code_privacy_info=[61040])


def test_any_other_code_of_the_scan_is_an_error(script: Script) -> None:
    with pytest.raises(WxaBusyError):
        script.play(privacy_scan(APPID, privacy_api_not_use=True), get_code_privacy_info=[-1])

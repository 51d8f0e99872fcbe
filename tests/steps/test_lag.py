"""Lag at the level of steps: read again, blame nobody, send nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaBusyError, WxaInputError, WxaPlatformSetupError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import (
    NOTHING_ACCEPTED,
    AcceptedWrites,
    audit_status,
    commit_code,
    configure_domains,
    modify_platform_domains,
    release_version,
    submit_version,
    verify_release,
)
from tests.steps.answers import (
    APPROVED,
    AUDITING,
    FOREIGN,
    NO_SHEET,
    OURS,
    QUOTA,
    VERSION,
    WITHDRAWN,
    a_sheet,
    effective,
    own,
    platform,
    to_commit,
    to_release,
    to_submit_audit,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.steps.conftest import Script

A, B = WebviewDomain("a.example.com"), WebviewDomain("b.example.com")
UNKNOWN_SHEET = 85012
HALF_A_MINUTE, READS = 30, 6


class Case:
    """One kind of write: the step that makes it, and what its reads show while they lag and afterwards."""

    def play(self, script: Script, kind: str, lagging: int, *, ends: bool = True) -> Any:
        """Play the step of a kind of write behind which so many reads lag."""
        make = getattr(self, kind)
        return make(script, lagging, 1 if ends else 0)

    def domains(self, script: Script, lagging: int, ends: int) -> Any:
        return script.play(
            configure_domains(APPID, "add", [A]),
            setwebviewdomain=[own(B), {"errcode": 0}, *[own(B)] * lagging, *[own(A, B)] * ends],
        )

    def platform_list(self, script: Script, lagging: int, ends: int) -> Any:
        reads = [*[platform("b.example.com")] * lagging, *[platform("a.example.com", "b.example.com")] * ends]
        return script.play(
            modify_platform_domains("add", [A.host]),
            modify_wxa_jump_domain=[platform("b.example.com"), {"errcode": 0}, *reads],
        )

    def trial_version(self, script: Script, lagging: int, ends: int) -> Any:
        before, after = versions(FOREIGN), versions(OURS)
        return script.play(
            commit_code(VERSION, "release 1.4.0"),
            **to_commit(before, *[before] * lagging, *[after] * ends),
        )

    def audit_sheet(self, script: Script, lagging: int, ends: int) -> Any:
        """A withdrawal: the sheet that was submitted is waited for by the sensor."""
        foreign = a_sheet(FOREIGN, AUDITING)
        return script.play(
            commit_code(VERSION, "release 1.4.0", withdraw_foreign_audit=True),
            left=5,
            getversioninfo=[versions(), *[versions(OURS)] * ends],
            get_latest_auditstatus=[foreign, foreign, *[foreign] * lagging, *[NO_SHEET] * ends],
            undocodeaudit=[0],
            commit=[0] * ends,
        )

    def online_version(self, script: Script, lagging: int, ends: int) -> Any:
        before, after = versions(None, FOREIGN), versions(None, OURS)
        return script.play(
            release_version(VERSION),
            **to_release(before, *[before] * lagging, *[after] * ends),
            get_effective_webviewdomain=[effective()] * ends,
        )

    def effective_domains(
        self, script: Script, lagging: int, ends: int, covering: Sequence[str] = (A.host, B.host)
    ) -> Any:
        accepted = NOTHING_ACCEPTED.with_write("release", {"online": None, "effective": [B.origin]})
        return script.play(
            verify_release(VERSION, [A]),
            known=accepted,
            getversioninfo=[versions(None, OURS)],
            get_effective_webviewdomain=[*[effective(B)] * lagging, *[effective(A)] * ends],
            modify_wxa_jump_domain=[platform(*covering)] * (1 - ends),
            setwebviewdomain=[own(B)] * (A.host not in covering),
        )


CASE = Case()
KINDS = ["domains", "platform_list", "trial_version", "audit_sheet", "online_version", "effective_domains"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lagging", [0, 1, 2, 3])
def test_reads_that_lag_are_read_again_in_growing_pauses(script: Script, kind: str, lagging: int) -> None:
    CASE.play(script, kind, lagging)
    assert len(script.pauses) == lagging
    assert script.pauses == sorted(set(script.pauses))


@pytest.mark.parametrize("kind", KINDS)
def test_lag_beyond_half_a_minute_is_a_retryable_error_that_names_it(script: Script, kind: str) -> None:
    with pytest.raises(WxaBusyError, match="still shows the state from before") as raised:
        CASE.play(script, kind, READS, ends=False)
    assert raised.value.retryable
    assert sum(script.pauses) == HALF_A_MINUTE
    assert "nobody else's work" in str(raised.value)


def test_a_domain_that_the_platform_dropped_meanwhile_is_no_lag(script: Script) -> None:
    with pytest.raises(WxaStateError, match="wanted business domains are not effective") as raised:
        CASE.effective_domains(script, READS, 0, covering=[B.host])
    assert raised.value.values["missing"] == A.origin


# What a retry knows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lagging", [1, 2, 3])
def test_a_retry_does_not_commit_what_was_accepted(script: Script, lagging: int) -> None:
    before = {"trial": {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 1}}
    accepted = NOTHING_ACCEPTED.with_write("commit", before)
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"),
        known=accepted,
        getversioninfo=[*[versions(FOREIGN)] * lagging, versions(OURS)],
        get_latest_auditstatus=[NO_SHEET],
    )
    assert outcome.outcome == "unchanged"


def test_a_trial_that_is_neither_the_one_before_nor_ours_is_overwritten_by_a_retry(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("commit", {"trial": None})
    outcome = script.play(
        commit_code(VERSION, "release 1.4.0"),
        known=accepted,
        **to_commit(versions(FOREIGN), versions(OURS)),
    )
    assert outcome.outcome == "committed"
    assert script.pauses == []


def submitted(before: Any) -> AcceptedWrites:
    return replace(NOTHING_ACCEPTED.with_write("submit_audit", before), submitted={"1234567": 500.0})


def test_a_retry_adopts_by_its_number_a_sheet_that_is_not_seen_yet(script: Script) -> None:
    outcome = script.play(submit_version(VERSION), known=submitted(None), get_latest_auditstatus=[NO_SHEET] * READS)
    assert (outcome.outcome, outcome.auditid) == ("adopted", "1234567")
    assert sum(script.pauses) == HALF_A_MINUTE


def test_our_accepted_sheet_that_was_withdrawn_is_submitted_anew(script: Script) -> None:
    outcome = script.play(
        submit_version(VERSION),
        known=submitted(None),
        **to_submit_audit(
            a_sheet(OURS, WITHDRAWN), a_sheet(OURS, AUDITING, 7654321), said={"errcode": 0, "auditid": 7654321}
        ),
    )
    assert (outcome.outcome, outcome.auditid) == ("submitted", "7654321")


def test_submit_waits_for_the_trial_version_that_was_committed_a_moment_ago(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("commit", {"trial": None})
    with pytest.raises(WxaBusyError, match="submit_audit stopped for now: WeChat accepted commit"):
        script.play(
            submit_version(VERSION),
            known=accepted,
            get_latest_auditstatus=[NO_SHEET],
            queryquota=[QUOTA],
            getversioninfo=[versions()] * READS,
        )


@pytest.mark.parametrize("shown", ["before", "ours without description"])
def test_a_retry_does_not_release_what_was_accepted(script: Script, shown: str) -> None:
    online = {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 2}
    accepted = NOTHING_ACCEPTED.with_write("release", {"online": online, "effective": None})
    step = release_version(VERSION)
    if shown == "before":
        with pytest.raises(WxaBusyError, match="WeChat accepted release, but"):
            script.play(step, known=accepted, getversioninfo=[versions(None, FOREIGN)] * READS)
        return
    nameless = versions(None, OURS | {"user_desc": ""})
    outcome = script.play(step, known=accepted, getversioninfo=[nameless], get_effective_webviewdomain=[effective()])
    assert outcome.outcome == "already_released"


def test_the_guard_of_a_release_reads_lists_that_lag_again(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("setwebviewdomain", []).with_write(
        "modify_wxa_jump_domain", {"testing": [], "published": []}
    )
    outcome = script.play(
        release_version(VERSION, [A]),
        known=accepted,
        setwebviewdomain=[own(), own(), own(A)],
        modify_wxa_jump_domain=[platform(), platform(A.host)],
        **to_release(versions(), versions(None, OURS)),
        get_effective_webviewdomain=[effective(), effective(A)],
    )
    assert outcome.outcome == "released"


@pytest.mark.parametrize("errcode", [89020, 89021])
def test_a_platform_list_that_was_filled_a_moment_ago_is_waited_for(script: Script, errcode: int) -> None:
    accepted = AcceptedWrites(registered=frozenset({A.host}))
    outcome = script.play(
        configure_domains(APPID, "add", [A]),
        known=accepted,
        setwebviewdomain=[own(), errcode, errcode, {"errcode": 0}, own(A)],
    )
    assert outcome.outcome == "configured"


def test_a_replica_that_does_not_know_the_platform_list_yet_takes_nothing_back(script: Script) -> None:
    accepted = AcceptedWrites(registered=frozenset({A.host}))
    outcome = script.play(
        configure_domains(APPID, "add", [A]), known=accepted, setwebviewdomain=[89020, {"errcode": 0}, 89020]
    )
    assert (outcome.outcome, outcome.after) == ("configured", None)


def test_another_host_than_the_registered_ones_is_still_refused_at_once(script: Script) -> None:
    accepted = AcceptedWrites(registered=frozenset({B.host}))
    with pytest.raises(WxaPlatformSetupError, match="89021"):
        script.play(
            configure_domains(APPID, "add", [A]),
            known=accepted,
            setwebviewdomain=[own(), 89021],
            modify_wxa_jump_domain=[platform(B.host)],
        )


# Endpoints that contradict each other --------------------------------------------------------------------------------


@pytest.mark.parametrize("told_by", ["ledger", "caller"])
@pytest.mark.parametrize("said", [85012, {"errcode": 85012, "status": 0}, {"errcode": "85058"}])
def test_a_sheet_that_neither_call_knows_yet_is_in_audit(script: Script, said: Any, told_by: str) -> None:
    outcome = script.play(
        audit_status(APPID, "1234567", just_submitted=told_by == "caller"),
        known=submitted(None) if told_by == "ledger" else NOTHING_ACCEPTED,
        get_auditstatus=[said],
        get_latest_auditstatus=[NO_SHEET],
    )
    assert outcome.outcome == "auditing"


def test_a_sheet_that_neither_call_knows_after_ten_minutes_is_an_error_that_tells_both_answers(script: Script) -> None:
    with pytest.raises(WxaInputError, match="does not know the sheet 1234567") as raised:
        script.play(
            audit_status(APPID, "1234567"),
            get_auditstatus=[85012],
            get_latest_auditstatus=[a_sheet(FOREIGN, APPROVED, 7)],
        )
    assert "errcode 85012" in str(raised.value)
    assert "get_latest_auditstatus sheet 7" in str(raised.value)


def test_the_latest_sheet_answers_where_the_other_call_does_not(script: Script) -> None:
    outcome = script.play(
        audit_status(APPID, "1234567"),
        get_auditstatus=[85012],
        get_latest_auditstatus=[a_sheet(OURS, APPROVED)],
    )
    assert outcome.outcome == "approved"


def test_an_approval_that_only_one_call_knows_is_enough_to_release(script: Script) -> None:
    outcome = script.play(
        release_version(VERSION),
        getversioninfo=[versions(), versions(None, OURS)],
        get_latest_auditstatus=[a_sheet(OURS, AUDITING)],
        get_auditstatus=[{"status": 0}],
        release=[0],
        get_effective_webviewdomain=[effective()],
    )
    assert outcome.outcome == "released"


@pytest.mark.parametrize("recent", [True, False])
def test_a_withdrawal_is_spent_once_a_sheet(script: Script, recent: bool) -> None:
    accepted = AcceptedWrites(withdrawn=frozenset({"1234567"}))
    if recent:
        accepted = accepted.with_write("undocodeaudit", {"in audit": "9.9.9", "auditid": "1234567"})
    error = WxaBusyError if recent else WxaStateError
    with pytest.raises(error, match="undocodeaudit, but" if recent else "another version of this Mini Program"):
        script.play(
            commit_code(VERSION, "", withdraw_foreign_audit=True),
            left=0,
            known=accepted,
            getversioninfo=[versions()],
            get_latest_auditstatus=[a_sheet(FOREIGN, AUDITING)] * (READS + 2),
        )
    assert "undocodeaudit" not in script.asked


def test_effective_domains_that_are_not_said_at_first_are_read_again(script: Script) -> None:
    outcome = script.play(
        verify_release(VERSION, [A]),
        getversioninfo=[versions(None, OURS)],
        get_effective_webviewdomain=[{"effective_webviewdomain": None}, {"errcode": 0}, effective(A)],
    )
    assert outcome.effective == (A.origin,)


def test_effective_domains_that_are_never_said_are_left_to_a_retry(script: Script) -> None:
    with pytest.raises(WxaTransportError, match="did not say which business domains are effective"):
        script.play(
            verify_release(VERSION, [A]),
            getversioninfo=[versions(None, OURS)],
            get_effective_webviewdomain=[{"errcode": 0}] * READS,
        )

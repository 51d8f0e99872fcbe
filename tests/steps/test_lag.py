"""Lag at the level of steps: read again, blame nobody, send nothing twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaBusyError, WxaInputError, WxaPlatformSetupError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import NOTHING_ACCEPTED, AcceptedWrites, audit_status, configure_domains, modify_platform_domains
from tests.steps.answers import FOREIGN, NO_SHEET, OURS, THEIRS, effective, own, platform, sheet, versions
from tests.steps.conftest import Ending, Script, done, stops

A, B = WebviewDomain("a.example.com"), WebviewDomain("b.example.com")
OK = {"errcode": 0}
HALF_A_MINUTE, READS = 30, 6
RELEASED_B = NOTHING_ACCEPTED.with_write("release", {"online": None, "effective": [B.origin]})


def configures(script: Script, *said: Any, **more: Any) -> Any:
    return script.play(configure_domains(APPID, "add", [A]), own=said, **more)


def registers(script: Script, lagging: int, ends: int) -> Any:
    looks = [platform(B.host), OK, *[platform(B.host)] * lagging, *[platform(A.host, B.host)] * ends]
    return script.play(modify_platform_domains("add", [A.host]), hosts=looks)


def withdraws(script: Script, lagging: int, ends: int) -> Any:
    """Withdraw a foreign sheet: a sheet that was submitted is waited for by the sensor."""
    sheets = [*[THEIRS] * (2 + lagging), *[NO_SHEET] * ends]
    looks, said = [versions(), *[versions(OURS)] * ends], 0 if ends else None
    return script.commits(*looks, sheets=sheets, said=said, withdraw=True, left=5, undocodeaudit=0)


def proves(script: Script, lagging: int, ends: int, covering: Any = (A.host, B.host)) -> Any:
    looks = [*[effective(B)] * lagging, *[effective(A)] * ends]
    hosts, is_dropped = [platform(*covering)] * (1 - ends), A.host not in covering
    return script.verifies(*looks, wanted=[A], known=RELEASED_B, hosts=hosts, own=[own(B)] * is_dropped)


def publishes(script: Script, lagging: int, ends: int) -> Any:
    looks = [*[versions(None, FOREIGN)] * (1 + lagging), *[versions(None, OURS)] * ends]
    return script.releases(*looks, effective=[effective()] * ends)


#: Kind of write → plays the step that makes it, while so many reads behind it lag, and one or none shows it.
KINDS: dict[str, Callable[[Script, int, int], Any]] = {
    "domains": lambda script, lagging, ends: configures(script, own(B), OK, *[own(B)] * lagging, *[own(A, B)] * ends),
    "platform_list": registers,
    "trial_version": lambda script, lagging, ends: script.commits(
        *[versions(FOREIGN)] * (1 + lagging), *[versions(OURS)] * ends
    ),
    "audit_sheet": withdraws,
    "online_version": publishes,
    "effective_domains": proves,
}


STILL_LAGS = stops(WxaBusyError, r"still shows the state from before[\s\S]*nobody else's work", retryable=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lagging", [0, 1, 3, READS])
def test_reads_that_lag_are_read_again_for_half_a_minute(script: Script, kind: str, lagging: int) -> None:
    if lagging < READS:
        KINDS[kind](script, lagging, 1)
    else:
        STILL_LAGS(lambda: KINDS[kind](script, READS, 0))
    assert len(script.pauses) == min(lagging, READS - 1)
    assert script.pauses == sorted(set(script.pauses))  # they grow
    assert lagging < READS or sum(script.pauses) == HALF_A_MINUTE


def test_a_domain_that_the_platform_dropped_meanwhile_is_no_lag(script: Script) -> None:
    with pytest.raises(WxaStateError, match="wanted business domains are not effective") as raised:
        proves(script, READS, 0, covering=[B.host])
    assert raised.value.values["missing"] == A.origin


# What a retry knows -----------------------------------------------------------------------------------------------


def test_a_retry_commits_over_another_trial_than_the_one_before_and_not_what_was_accepted(script: Script) -> None:
    before = {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 1}
    nothing, theirs = (NOTHING_ACCEPTED.with_write("commit", {"trial": trial}) for trial in (None, before))
    assert script.commits(versions(FOREIGN), versions(OURS), known=nothing).outcome == "committed"
    assert script.pauses == []
    looks = [*[versions(FOREIGN)] * 3, versions(OURS)]
    assert script.commits(*looks, said=None, known=theirs).outcome == "unchanged"
    with pytest.raises(WxaBusyError, match="WeChat accepted commit"):
        script.commits(*[versions(FOREIGN)] * READS, said=None, known=theirs)


SUBMITTED = replace(NOTHING_ACCEPTED.with_write("submit_audit", None), submitted={"1234567": 500.0})


def test_a_retry_adopts_its_sheet_by_number_before_it_is_seen_and_submits_a_withdrawn_one_anew(script: Script) -> None:
    asked = {"said": None, "trial": "unasked", "quota": None}
    done("adopted", auditid="1234567")(lambda: script.submits(*[NO_SHEET] * READS, known=SUBMITTED, **asked))
    assert sum(script.pauses) == HALF_A_MINUTE
    sheets, said = [sheet(OURS, "withdrawn"), sheet(OURS, "auditing", 7654321)], OK | {"auditid": 7654321}
    done("submitted", auditid="7654321")(lambda: script.submits(*sheets, said=said, known=SUBMITTED))


def test_submit_waits_for_the_trial_version_that_was_committed_a_moment_ago(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("commit", {"trial": None})
    with pytest.raises(WxaBusyError, match="submit_audit stopped for now: WeChat accepted commit"):
        script.submits(NO_SHEET, said=None, trial="unasked", known=accepted, looks=[versions()] * READS)


@pytest.mark.parametrize(
    ("looks", "more", "ending"),
    [
        ([versions(None, FOREIGN)] * READS, {}, stops(WxaBusyError, "WeChat accepted release, but")),
        ([versions(None, OURS | {"user_desc": ""})], {"effective": effective()}, done("already_released")),
    ],
)
def test_a_retry_does_not_release_what_was_accepted(script: Script, looks: Any, more: Any, ending: Ending) -> None:
    online = {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 2}
    known = NOTHING_ACCEPTED.with_write("release", {"online": online, "effective": None})
    ending(lambda: script.releases(*looks, sheets=(), said=None, known=known, **more))


def test_the_guard_of_a_release_reads_lists_that_lag_again(script: Script) -> None:
    registered = {"testing": [], "published": []}
    accepted = NOTHING_ACCEPTED.with_write("setwebviewdomain", []).with_write("modify_wxa_jump_domain", registered)
    outcome = script.releases(
        versions(),
        versions(None, OURS),
        wanted=[A],
        known=accepted,
        own=[own(), own(), own(A)],
        hosts=[platform(), platform(A.host)],
        effective=[effective(), effective(A)],
    )
    assert outcome.outcome == "released"


REGISTERED_A, REGISTERED_B = (AcceptedWrites(registered=frozenset({each.host})) for each in (A, B))


def test_a_platform_list_that_was_filled_a_moment_ago_is_waited_for_and_takes_nothing_back(script: Script) -> None:
    for code in (89020, 89021):
        assert configures(script, own(), code, code, OK, own(A), known=REGISTERED_A).outcome == "configured"
    done("configured", after=None)(lambda: configures(script, 89020, OK, 89020, known=REGISTERED_A))
    with pytest.raises(WxaPlatformSetupError, match="89021"):  # another host is refused at once
        configures(script, own(), 89021, known=REGISTERED_B, hosts=platform(B.host))


# Endpoints that contradict each other --------------------------------------------------------------------------------


@pytest.mark.parametrize("told_by", ["ledger", "caller"])
@pytest.mark.parametrize("said", [85012, {"errcode": 85012, "status": 0}, {"errcode": "85058"}])
def test_a_sheet_that_neither_call_knows_yet_is_in_audit(script: Script, said: Any, told_by: str) -> None:
    step = audit_status(APPID, "1234567", just_submitted=told_by == "caller")
    known = SUBMITTED if told_by == "ledger" else NOTHING_ACCEPTED
    assert script.play(step, known, status=said, sheets=NO_SHEET).outcome == "auditing"


def test_the_latest_sheet_answers_where_the_other_call_does_not_or_both_answers_are_told(script: Script) -> None:
    outcome = script.play(audit_status(APPID, "1234567"), status=85012, sheets=sheet(OURS, "approved"))
    assert outcome.outcome == "approved"
    with pytest.raises(WxaInputError, match="does not know the sheet 1234567") as raised:
        script.play(audit_status(APPID, "1234567"), status=85012, sheets=sheet(FOREIGN, "approved", 7))
    assert "errcode 85012" in str(raised.value)
    assert "get_latest_auditstatus sheet 7" in str(raised.value)


def test_an_approval_that_only_one_call_knows_is_enough_to_release(script: Script) -> None:
    looks, reads = (versions(), versions(None, OURS)), {"status": {"status": 0}, "effective": effective()}
    assert script.releases(*looks, sheets=sheet(OURS, "auditing"), **reads).outcome == "released"


@pytest.mark.parametrize("recent", [True, False])
def test_a_withdrawal_is_spent_once_a_sheet(script: Script, recent: bool) -> None:
    accepted = AcceptedWrites(withdrawn=frozenset({"1234567"}))
    if recent:
        accepted = accepted.with_write("undocodeaudit", {"in audit": "9.9.9", "auditid": "1234567"})
    error, told = (WxaBusyError, "undocodeaudit, but") if recent else (WxaStateError, "another version of this Mini")
    with pytest.raises(error, match=told):
        script.commits(versions(), sheets=[THEIRS] * (READS + 2), said=None, withdraw=True, left=0, known=accepted)
    assert "undocodeaudit" not in script.asked


def test_effective_domains_that_are_not_said_are_read_again_and_left_to_a_retry(script: Script) -> None:
    outcome = script.verifies({"effective_webviewdomain": None}, OK, effective(A), wanted=[A])
    assert outcome.effective == (A.origin,)
    with pytest.raises(WxaTransportError, match="did not say which business domains are effective"):
        script.verifies(*[OK] * READS, wanted=[A])

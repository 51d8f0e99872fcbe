"""Publishing: an approved sheet of ours and nothing else, once; then the proof."""

from typing import Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaError, WxaPermissionError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Approved, Step, gray_release, release_version
from airflow_wxa.steps.release import before_release
from tests.steps.answers import (
    APPROVED,
    APPROVED_SHEET,
    AUDITING,
    DELAYED,
    FOREIGN,
    LOST,
    NAMELESS,
    NO_SHEET,
    OURS,
    REJECTED,
    VERSION,
    WITHDRAWN,
    a_sheet,
    effective,
    own,
    platform,
    releases,
    verifies,
    versions,
)
from tests.steps.conftest import Script

APPROVAL = Approved("approve_release", APPID, {})
A, B = WebviewDomain("a.example.com"), WebviewDomain("b.example.com")
NOTHING = {"errcode": 0}
PLAIN = {"user_version": "1.4.0", "user_desc": ""}
FRESH = (versions(), versions(None, OURS))


def at(online: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return an answer of getversioninfo whose online version went online at this time."""
    return online | {"release_info": online["release_info"] | {"release_time": seconds}}


def test_our_approved_sheet_is_published_and_read_back(script: Script) -> None:
    outcome = releases(script, versions(OURS, FOREIGN), versions(OURS, OURS), effective=[effective(B, A)] * 2)
    assert outcome.to_json() == {
        "outcome": "released",
        "appid": APPID,
        "release_version": "1.4.0",
        "release_time": 2,
        "effective": [A.origin, B.origin],
        "lost": [],
        "removed_as_asked": [],
        "lost_servers": None,  # WeChat does not tell
    }
    assert script.bodies("release") == [{}]
    sent = script.asked.index("release")
    assert script.asked[sent - 1] == "get_latest_auditstatus"  # the last look before the write


@pytest.mark.parametrize(
    ("looks", "said", "version"),
    [
        *(([versions(None, before), versions(None, OURS)], LOST, "1.4.0") for before in (None, FOREIGN)),
        # release_version came back empty once (a developer's post): ours, if it went online by our release.
        *(([versions(None, each), at(versions(None, NAMELESS), 3)], 0, "") for each in (None, NAMELESS, FOREIGN)),
        ([versions(), versions(None, OURS | {"user_version": ""})], 0, ""),  # its description carries the fingerprint
    ],
)
def test_an_empty_release_version_is_ours_when_it_went_online_by_our_release(
    script: Script, looks: Any, said: Any, version: str
) -> None:
    outcome = releases(script, *looks, said=said, effective=effective(A))
    assert (outcome.outcome, outcome.release_version) == ("released", version)
    assert script.asked.count("release") == 1


@pytest.mark.parametrize("said", [-1, LOST])
def test_effective_domains_that_cannot_be_read_fail_no_release(script: Script, said: Any) -> None:
    outcome = releases(script, *FRESH, effective=[effective(A), said])
    assert (outcome.outcome, outcome.effective) == ("released", None)


def test_what_is_online_already_is_not_published_again(script: Script) -> None:
    outcome = releases(script, versions(None, OURS), sheets=(), said=None, effective=effective())
    assert (outcome.outcome, outcome.release_version, outcome.effective) == ("already_released", "1.4.0", ())


WORDS = {AUDITING: "auditing", DELAYED: "delayed", REJECTED: "rejected", WITHDRAWN: "withdrawn"}
WAIT, THEIRS = (
    r"sheet of this version is not approved\n.*{}[\s\S]*WxaAuditSensor",
    r"not of this.*\n.*{}[\s\S]*WxaCommitOp",
)


@pytest.mark.parametrize(
    ("sheet", "noted", "asked", "told"),
    [
        *((a_sheet(OURS, each), "", {"status": each}, WAIT.format(WORDS[each])) for each in (AUDITING, DELAYED)),
        *((a_sheet(OURS, each), "", (), WAIT.format(WORDS[each])) for each in (REJECTED, WITHDRAWN)),
        # A newer sheet of our own version is told from the one that was waited for.
        *((a_sheet(OURS, AUDITING), noted, -1, WAIT.format("auditid 1234567")) for noted in ("", "1234567")),
        (a_sheet(OURS, AUDITING), "7", -1, r"is not approved\n.*auditid 1234567[\s\S]*adopts the newer sheet"),
        (a_sheet(FOREIGN, APPROVED), "", (), THEIRS.format(r"latest sheet 9\.9\.9")),
        (NO_SHEET, "", (), THEIRS.format("latest sheet none")),
    ],
)
def test_only_an_approved_sheet_with_our_fingerprint_is_published(
    script: Script, sheet: Any, noted: str, asked: Any, told: str
) -> None:
    with pytest.raises(WxaStateError, match=f"release not sent: .*{told}") as raised:
        releases(script, versions(), sheets=sheet, said=None, noted=noted, status=asked)
    assert raised.value.retryable is (asked != ())


@pytest.mark.parametrize(("status", "is_released"), [(APPROVED, True), (AUDITING, False)])
def test_an_approved_sheet_whose_number_is_left_out_is_asked_for_by_the_number_that_was_approved(
    script: Script, status: int, is_released: bool
) -> None:
    reads: dict[str, Any] = {
        "sheets": APPROVED_SHEET | {"auditid": None},
        "status": a_sheet(OURS, status),
        "own": own(B, A),
    }
    looks = [versions(OURS, FOREIGN)] * 2
    step = release_version(VERSION, noted_auditid="1234567", approval=APPROVAL)
    if not is_released:
        with pytest.raises(WxaStateError, match="is not approved"):
            script.play(step, approved=True, looks=looks, **reads)
        return
    reads |= {"release": 0, "effective": effective(B, A), "looks": [*looks, versions(OURS, OURS)]}
    assert script.play(step, approved=True, **reads).outcome == "released"
    online = {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 2}
    found = {"online": online, "configured": (A.origin, B.origin)}
    assert [each.about for each in script.proved] == [{}, {}, found]  # the first for what may go offline


@pytest.mark.parametrize("said", [89231, 48001, NOTHING])
def test_a_list_that_wechat_does_not_tell_is_found_as_it_was_approved(script: Script, said: Any) -> None:
    found = script.play(before_release(VERSION, ()), looks=versions(), sheets=NO_SHEET, own=said)
    assert found.named == {"online": None, "configured": None}
    assert found.is_individual == (said == 89231)
    with pytest.raises(WxaTransportError):  # a state that may be told at the next try is not taken for unknown
        script.play(before_release(VERSION, ()), looks=LOST)


def makes(auditid: str) -> dict[str, Step[Any]]:
    """Return the steps that show a version to users, by the endpoint that does."""
    return {
        "release": release_version(VERSION, noted_auditid=auditid, approval=APPROVAL),
        "grayrelease": gray_release(VERSION, 30, noted_auditid=auditid, approval=APPROVAL),
    }


@pytest.mark.parametrize(("endpoint", "before"), [("release", "getversioninfo"), ("grayrelease", "getgrayreleaseplan")])
def test_nothing_is_published_that_nobody_has_approved_nor_another_sheet_than_the_approved_one(
    script: Script, endpoint: str, before: str
) -> None:
    refused = WxaStateError("nobody has approved it")
    with pytest.raises(WxaStateError) as raised:
        script.play(makes("7")[endpoint], approved=refused, **{before: NOTHING})
    assert raised.value is refused
    assert script.asked == [before]
    looks = {"getversioninfo": [NOTHING], before: [NOTHING] * (1 + (before == "getversioninfo"))}
    for auditid in ("7", ""):
        told = f"sheet {auditid or 'not known'} was approved, and it is not the latest"
        with pytest.raises(WxaStateError, match=told):
            script.play(makes(auditid)[endpoint], approved=True, sheets=APPROVED_SHEET, own=own(), **looks)


@pytest.mark.parametrize(
    ("looks", "said", "told", "retryable"),
    [
        *(([versions(None, each)] * 2, LOST, "got no answer", True) for each in (None, FOREIGN)),
        ([versions()] * 2, -1, "-1", True),
        ([versions(), versions(None, FOREIGN)], LOST, "release stopped: another version is online", False),
        # 85052 while another version is online: the replica may lag, unless that came meanwhile.
        ([versions(None, FOREIGN)] * 7, 85052, r"release stopped.*\n  .*online 9\.9\.9", True),
        ([versions(), versions(None, FOREIGN)], 85052, r"release stopped.*\n  .*online 9\.9\.9", False),
        ([versions(None, NAMELESS)] * 7, 85052, "another version is online than the one released", True),
        ([versions(None, FOREIGN), versions()], 0, "another version is online than the one released", False),
        ([versions(), versions(None, FOREIGN)], 0, "another version is online than the one released", False),
    ],
)
def test_a_release_behind_which_ours_is_not_online_is_an_error(
    script: Script, looks: Any, said: Any, told: str, retryable: bool
) -> None:
    with pytest.raises(WxaError, match=told) as raised:
        releases(script, *looks, said=said)
    assert raised.value.retryable is retryable
    assert (raised.value is LOST) == (told == "got no answer")
    assert sum(script.pauses) == (30 if len(looks) > 2 else 0)


@pytest.mark.parametrize("shown", [PLAIN, NAMELESS])
def test_85052_is_success_when_ours_is_online(script: Script, shown: Any) -> None:
    looks = [versions(None, shown)] * 2
    submitted = APPROVED_SHEET | {"submit_audit_time": 1}  # without any name it is ours if it went online after that
    reads = {"own": own(A), "hosts": platform("example.com"), "effective": [effective(A)] * 2}
    assert releases(script, *looks, wanted=[A], said=85052, sheets=submitted, **reads).outcome == "already_released"


@pytest.mark.parametrize("errcode", [85019, 85020])
@pytest.mark.parametrize(
    ("trial", "told"),
    [
        (None, "release refused"),
        (OURS, "release refused"),
        # Developers report 85020 for an approved version when somebody committed before it was released.
        (FOREIGN, r"release stopped.*\n.*trial version 9\.9\.9"),
    ],
)
def test_85020_for_our_approved_sheet_is_tried_again_by_the_task_and_not_by_the_step(
    script: Script, errcode: int, trial: Any, told: str
) -> None:
    with pytest.raises(
        WxaStateError, match=rf"{told}[\s\S]*errcode {errcode}, errmsg said WeChat, rid 0-1-2"
    ) as raised:
        releases(script, versions(), versions(trial), said=errcode)
    assert (raised.value.errcode, raised.value.retryable) == (errcode, errcode == 85020 and trial == OURS)
    assert script.asked.count("release") == 1


@pytest.mark.parametrize("platform_said", [platform("example.com"), NOTHING, -1, 61007])
@pytest.mark.parametrize("own_said", [own(A, B), NOTHING])
@pytest.mark.parametrize("prove", [False, True])  # a release that proves its domains reads them once
def test_domains_that_are_on_both_lists_as_far_as_they_can_be_read_are_released(
    script: Script, own_said: Any, platform_said: Any, prove: bool
) -> None:
    reads = {"own": own_said, "hosts": platform_said, "effective": [effective(), effective(A, B)]}
    outcome = releases(script, *FRESH, wanted=[A, B], prove=prove, **reads)
    assert (outcome.outcome, outcome.effective) == ("released", (A.origin, B.origin))


@pytest.mark.parametrize(
    ("own_said", "platform_said", "missing", "shown"),
    [
        (own(A, B), platform("a.example.com"), ("none", B.origin), (f"{A.origin}, {B.origin}", "a.example.com")),
        (own(A), platform("example.com"), (B.origin, "none"), (A.origin, "example.com")),
        (own(), 61007, (f"{A.origin}, {B.origin}", "none"), ("none", "unknown")),
        (NOTHING, platform(), ("none", f"{A.origin}, {B.origin}"), ("unknown", "none")),
    ],
)
def test_a_wanted_domain_that_the_release_would_leave_offline_stops_it_and_is_named(
    script: Script, own_said: Any, platform_said: Any, missing: Any, shown: Any
) -> None:
    with pytest.raises(WxaStateError, match="release not sent: it would leave wanted business domains") as raised:
        releases(script, versions(), wanted=[A, B], sheets=(), said=None, own=own_said, hosts=platform_said)
    text = str(raised.value)
    assert f"not configured {missing[0]}, not on the platform list {missing[1]}, " in text
    assert f"configured {shown[0]}, platform list {shown[1]}\n" in text


def test_ours_that_is_online_without_a_wanted_domain_needs_a_new_version(script: Script) -> None:
    read = {"own": own(A), "effective": effective()}
    refused = {"own": [own(A)] * 2, "hosts": -1, "effective": [effective()] * 2}
    with pytest.raises(WxaStateError, match="these domains need a new version"):
        releases(script, versions(None, OURS), wanted=[A], sheets=(), said=None, **read)
    with pytest.raises(WxaStateError, match="these domains need a new version"):
        releases(script, *[versions(None, PLAIN)] * 2, wanted=[A], said=85052, **refused)
    dropped = refused | {"hosts": platform("example.com"), "effective": [effective(B), effective()]}
    with pytest.raises(WxaStateError, match="wanted business domains are not effective"):  # told at once
        releases(script, *FRESH, wanted=[A], prove=True, **dropped)


def test_verify_proves_version_and_effective_domains_but_none_of_an_individual(script: Script) -> None:
    outcome = verifies(script, effective(B, A), wanted=[A])
    assert (outcome.outcome, outcome.effective) == ("released", (A.origin, B.origin))
    assert verifies(script, wanted=[A], individual=True).effective is None
    with pytest.raises(WxaPermissionError, match="61007"):  # it does not guess
        verifies(script, 61007, wanted=[A])


@pytest.mark.parametrize(
    ("online", "released_at", "ours"),
    [
        *((NAMELESS, seconds, seconds in (1, 2)) for seconds in (0, 1, 2, 3)),  # by the time of our release
        *((online, 0, False) for online in (None, FOREIGN, FOREIGN | {"user_version": "1.4.0"})),
    ],
)
def test_verify_fails_when_another_version_is_online(script: Script, online: Any, released_at: int, ours: bool) -> None:
    if ours:
        assert verifies(script, online=online, individual=True, released_at=released_at).outcome == "released"
        return
    with pytest.raises(WxaStateError, match="verify_release stopped: another version is online") as raised:
        verifies(script, wanted=[A], online=online, released_at=released_at)
    assert f"ours 1.4.0 {VERSION.mark}" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "configured", "why"),
    [
        (own(A), f"configured {A.origin}", "become effective with the next release only"),
        (own(), "configured none", "At release WeChat keeps only domains that the platform's list still holds"),
        *((said, "configured unknown", "At release WeChat keeps only domains") for said in (NOTHING, 89020, LOST)),
    ],
)
@pytest.mark.parametrize("online", [(B,), ()])
def test_verify_names_wanted_domains_that_are_not_effective_and_the_likely_cause(
    script: Script, said: Any, configured: str, why: str, online: Any
) -> None:
    with pytest.raises(WxaStateError, match="wanted business domains are not effective") as raised:
        verifies(script, effective(*online), wanted=[A, *online], own=said)
    told = str(raised.value)
    named = f"missing {A.origin}, effective {B.origin if online else 'none'}"
    assert [each for each in (named, configured, why, "release a new user_version") if each not in told] == []

"""Publishing: an approved sheet of ours and nothing else, once; then the proof."""

from functools import partial
from typing import Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaError, WxaPermissionError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Approved, gray_release, release_version
from airflow_wxa.steps.release import before_release
from tests.steps import answers
from tests.steps.answers import FOREIGN, LOST, NO_SHEET, OPEN, OURS, VERSION, effective, own, platform, sheet, versions
from tests.steps.conftest import Ending, Script, done, stops

APPROVAL = Approved("approve_release", APPID, {})
A, B = WebviewDomain("a.example.com"), WebviewDomain("b.example.com")
BOTH = (A.origin, B.origin)
NOTHING = {"errcode": 0}
PLAIN, NAMELESS = ({"user_version": version, "user_desc": ""} for version in ("1.4.0", ""))
APPROVED, IN_AUDIT = sheet(OURS, "approved"), sheet(OURS, "auditing")
FRESH = [versions(), versions(None, OURS)]


def at(shown: dict[str, str], seconds: int) -> dict[str, Any]:
    """Return an answer of getversioninfo whose online version went online at this time."""
    told = versions(None, shown)
    return told | {"release_info": told["release_info"] | {"release_time": seconds}}


def test_our_approved_sheet_is_published_and_read_back(script: Script) -> None:
    outcome = script.releases(versions(OURS, FOREIGN), versions(OURS, OURS), effective=[effective(B, A)] * 2)
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


WAIT = r"release not sent: .*sheet of this version is not approved\n.*{}[\s\S]*WxaAuditSensor"
NOT_OURS = r"release not sent: .*not of this.*\n.*{}[\s\S]*WxaCommitOp"
UNSENT: dict[str, Any] = {"said": None, "sheets": ()}
AT_A: dict[str, Any] = {"effective": effective(A)}
BECOME_BOTH: dict[str, Any] = {"wanted": [A, B], "effective": [effective(), effective(A, B)]}
HAS_A: dict[str, Any] = {
    "wanted": [A],
    "own": own(A),
    "hosts": platform("example.com"),
    "effective": [effective(A)] * 2,
}
RELEASED, WITHOUT_NAME = (done("released", release_version=version) for version in ("1.4.0", ""))
ALREADY, SAID = done("already_released"), "errcode 850.., errmsg said WeChat, rid 0-1-2"
MISSED = {"own": [own(A)] * 2, "effective": [effective(B), effective()]}
TIMED = APPROVED | {"submit_audit_time": 1}
NEEDS_NEW = stops(WxaStateError, "these domains need a new version")
LOST_A = ("wanted business domains are not effective", f"missing {A.origin}, ", "release a new user_version")
NOT_OURS_ONLINE = stops(WxaStateError, rf"another version is online[\s\S]*ours 1\.4\.0 .wxa:{VERSION.fingerprint}")
IS_ONLINE, ANOTHER = r"release stopped.*\n  .*online 9\.9\.9", "another version is online than the one released"


def unapproved(seen: Any, told: str, noted: str = "", status: Any = ()) -> tuple[list[Any], Any, Ending]:
    """Return what is seen where this sheet is none to publish; ``status``: what the call about it says."""
    more = {"said": None, "sheets": seen, "noted_auditid": noted, "status": status}
    return [versions()], more, stops(WxaStateError, told, retryable=status != ())


def online(*shown: Any) -> list[Any]:
    """Return answers of getversioninfo with these versions online."""
    return [versions(None, each) for each in shown]


#: What WeChat shows, look by look, and else; and how the release ends.
RELEASES: list[tuple[list[Any], Any, Ending]] = [
    *[(online(each, OURS), AT_A | {"said": LOST}, RELEASED) for each in (None, FOREIGN)],
    # release_version came back empty once (a developer's post): ours, if it went online by our release or has our mark.
    *[([*online(each), at(NAMELESS, 3)], AT_A, WITHOUT_NAME) for each in (None, NAMELESS, FOREIGN)],
    ([versions(), *online(OURS | {"user_version": ""})], AT_A, WITHOUT_NAME),
    # Effective domains that cannot be read fail no release; what is online already is not published again.
    *[(FRESH, {"effective": [effective(A), said]}, done("released", effective=None)) for said in (-1, LOST)],
    (online(OURS), UNSENT | {"effective": effective()}, done("already_released", effective=())),
    # Only an approved sheet with our fingerprint is published.
    *[unapproved(sheet(OURS, each), WAIT.format(each), status=sheet(OURS, each)) for each in OPEN],
    *[unapproved(sheet(OURS, each), WAIT.format(each)) for each in ("rejected", "withdrawn")],
    # A newer sheet of our own version is told from the one that was waited for.
    *[unapproved(IN_AUDIT, WAIT.format("auditid 1234567"), noted, -1) for noted in ("", "1234567")],
    unapproved(IN_AUDIT, r"is not approved\n.*auditid 1234567[\s\S]*adopts the newer sheet", "7", -1),
    unapproved(sheet(FOREIGN, "approved"), NOT_OURS.format(r"latest sheet 9\.9\.9")),
    unapproved(sheet(answers.FORGED, "approved"), "release not sent" + answers.NAMES_FORGED, "1234567"),
    unapproved(NO_SHEET, NOT_OURS.format("latest sheet none")),
    # A release behind which ours is not online is an error.
    *[(online(each, each), {"said": LOST}, stops(LOST)) for each in (None, FOREIGN)],
    (online(None, None), {"said": -1}, stops(WxaError, errcode=-1, retryable=True)),
    (online(None, FOREIGN), {"said": LOST}, stops(WxaError, "release stopped: another version is", retryable=False)),
    # 85052 while another version is online: the replica may lag, unless that came meanwhile.
    (online(*[FOREIGN] * 7), {"said": 85052}, stops(WxaError, IS_ONLINE, retryable=True)),
    (online(None, FOREIGN), {"said": 85052}, stops(WxaError, IS_ONLINE, retryable=False)),
    (online(*[NAMELESS] * 7), {"said": 85052}, stops(WxaError, ANOTHER, retryable=True)),
    *[(online(*shown), {}, stops(WxaError, ANOTHER, retryable=False)) for shown in ((FOREIGN, None), (None, FOREIGN))],
    # 85052 is success when ours is online: without any name if it went online after its submission.
    *[(online(each, each), HAS_A | {"said": 85052, "sheets": TIMED}, ALREADY) for each in (PLAIN, NAMELESS)],
    # Developers report 85020 for an approved version when somebody committed before it was released.
    *[
        ([versions(), versions(trial)], {"said": code}, stops(WxaStateError, told, SAID, errcode=code, retryable=again))
        for code in (85019, 85020)
        for trial, told, again in (
            (None, "release refused", False),
            (OURS, "release refused", code == 85020),
            (FOREIGN, r"release stopped.*\n.*trial version 9\.9\.9", False),
        )
    ],
    # Domains that are on both lists, as far as those can be read, are released; a proof reads them once.
    *[
        (FRESH, BECOME_BOTH | {"prove": prove, "own": mine, "hosts": hosts}, done("released", effective=BOTH))
        for mine in (own(A, B), NOTHING)
        for hosts in (platform("example.com"), NOTHING, -1, 61007)
        for prove in (False, True)
    ],
    # A wanted domain that the release would leave offline stops it and is named.
    *[
        (
            [versions()],
            UNSENT | {"wanted": [A, B], "own": mine, "hosts": hosts},
            stops(WxaStateError, f"not configured {missing}, not on the platform list {absent}, configured {shown}\n"),
        )
        for mine, hosts, missing, absent, shown in (
            (own(A, B), platform(A.host), "none", B.origin, f"{', '.join(BOTH)}, platform list {A.host}"),
            (own(A), platform("example.com"), B.origin, "none", f"{A.origin}, platform list example.com"),
            (own(), 61007, ", ".join(BOTH), "none", "none, platform list unknown"),
            (NOTHING, platform(), "none", ", ".join(BOTH), "unknown, platform list none"),
        )
    ],
    # Ours that is online without a wanted domain needs a new version, also if this release dropped it.
    (online(OURS), UNSENT | {"wanted": [A], "own": own(A), "effective": effective()}, NEEDS_NEW),
    (online(PLAIN, PLAIN), HAS_A | MISSED | {"said": 85052, "hosts": -1}, NEEDS_NEW),
    (FRESH, HAS_A | MISSED | {"prove": True}, stops(WxaStateError, LOST_A[0])),
]


@pytest.mark.parametrize(("looks", "more", "ending"), RELEASES)
def test_our_sheet_is_released_once_or_said_why_not(script: Script, looks: Any, more: Any, ending: Ending) -> None:
    ending(lambda: script.releases(*looks, **more))
    assert sum(script.pauses) == (30 if len(looks) > 2 else 0)


def test_a_sheet_without_number_is_asked_for_by_the_approved(script: Script) -> None:
    found = {"sheets": APPROVED | {"auditid": None}, "own": own(B, A), "approved": True}
    found |= {"noted_auditid": "1234567", "approval": APPROVAL}
    looks = [versions(OURS, FOREIGN)] * 2
    with pytest.raises(WxaStateError, match="is not approved"):
        script.releases(*looks, **found, status=IN_AUDIT, said=None)
    script.questions.clear()
    reads = {"status": APPROVED, "effective": effective(B, A)}
    assert script.releases(*looks, versions(OURS, OURS), **found, **reads).outcome == "released"
    named = {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 2}
    asked = [each.about for each in script.questions if isinstance(each, Approved)]
    assert asked == [{}, {}, {"online": named, "configured": BOTH}]  # the first for what may go offline


@pytest.mark.parametrize("said", [89231, 48001, NOTHING])
def test_a_list_that_wechat_does_not_tell_is_found_as_it_was_approved(script: Script, said: Any) -> None:
    found = script.play(before_release(VERSION, ()), looks=versions(), sheets=NO_SHEET, own=said)
    assert found.named == {"online": None, "configured": None}
    assert found.is_individual == (said == 89231)
    with pytest.raises(WxaTransportError):  # a state that may be told at the next try is not taken for unknown
        script.play(before_release(VERSION, ()), looks=LOST)


#: Steps that show a version to users, and the first look of each.
PUBLISHES = [
    (partial(release_version, VERSION, approval=APPROVAL), "getversioninfo"),
    (partial(gray_release, VERSION, 30, approval=APPROVAL), "getgrayreleaseplan"),
]


@pytest.mark.parametrize(("publishes", "before"), PUBLISHES)
def test_only_the_sheet_that_somebody_has_approved_is_published(script: Script, publishes: Any, before: str) -> None:
    refused = WxaStateError("nobody has approved it")
    stops(refused)(lambda: script.play(publishes(noted_auditid="7"), approved=refused, **{before: NOTHING}))
    assert script.asked == [before]
    looks = {"getversioninfo": [NOTHING], before: [NOTHING] * (1 + (before == "getversioninfo"))}
    for auditid in ("7", ""):
        told = f"sheet {auditid or 'not known'} was approved, and it is not the latest"
        with pytest.raises(WxaStateError, match=told):
            script.play(publishes(noted_auditid=auditid), approved=True, sheets=APPROVED, own=own(), **looks)


@pytest.mark.parametrize(("publishes", "before"), PUBLISHES)
def test_a_domain_that_the_question_did_not_name_does_not_go_offline(
    script: Script, publishes: Any, before: str
) -> None:
    looks = {before: [NOTHING], "getversioninfo": [versions(None, FOREIGN)] * (1 + (before == "getversioninfo"))}
    lists = {f"{name}_webviewdomain": [] for name in ("third", "mp", "direct")}
    reads = looks | {"effective": effective(A) | lists, "hosts": platform()}
    told = f"goes offline {A.origin}"
    stops(WxaStateError, told)(lambda: script.play(publishes(noted_auditid="7"), approved=True, **reads))


#: What is effective and else shown behind a release; and how its proof ends.
PROOFS: list[tuple[list[Any], Any, Ending]] = [
    ([effective(B, A)], {"wanted": [A]}, done("released", effective=(A.origin, B.origin))),
    ([], {"wanted": [A], "individual": True}, done("released", effective=None)),
    ([61007], {"wanted": [A]}, stops(WxaPermissionError, errcode=61007)),  # it does not guess
    # A version without name and description is ours by the time of our release.
    *[([], {"online": NAMELESS, "individual": True, "released_at": seconds}, done("released")) for seconds in (1, 2)],
    *[([], {"online": NAMELESS, "released_at": seconds}, NOT_OURS_ONLINE) for seconds in (0, 3)],
    *[([], {"online": each}, NOT_OURS_ONLINE) for each in (None, FOREIGN)],
    ([], {"online": answers.FORGED}, stops(WxaStateError, "verify_release stopped" + answers.NAMES_FORGED)),
    # A wanted domain that is not effective is named with the likely cause.
    *[
        (
            [effective(*shown)],
            {"wanted": [A, *shown], "own": said},
            stops(WxaStateError, *LOST_A, f"effective {named}, configured {configured}", why),
        )
        for shown, named in (((B,), B.origin), ((), "none"))
        for said, configured, why in (
            (own(A), A.origin, "become effective with the next release only"),
            (own(), "none", "At release WeChat keeps only domains that the platform's list still holds"),
            *[(said, "unknown", "At release WeChat keeps only domains") for said in (NOTHING, 89020, LOST)],
        )
    ],
]


@pytest.mark.parametrize(("shown", "more", "ending"), PROOFS)
def test_verify_proves_version_and_effective_domains(script: Script, shown: Any, more: Any, ending: Ending) -> None:
    ending(lambda: script.verifies(*shown, **more))

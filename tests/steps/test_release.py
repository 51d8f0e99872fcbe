"""Publishing: an approved sheet of ours and nothing else, once; then the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaError, WxaPermissionError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Approved, gray_release, release_version, verify_release
from airflow_wxa.steps.release import before_release
from tests.steps.answers import (
    APPROVED,
    AUDITING,
    DELAYED,
    FOREIGN,
    OURS,
    REJECTED,
    VERSION,
    WITHDRAWN,
    a_sheet,
    effective,
    own,
    platform,
    to_release,
    versions,
)

if TYPE_CHECKING:
    from airflow_wxa.steps import Step
    from tests.steps.conftest import Script

APPROVAL = Approved("approve_release", APPID, {})
A, B = WebviewDomain("a.example.com"), WebviewDomain("b.example.com")
OWN = (A.origin, B.origin)


def test_our_approved_sheet_is_published_and_read_back(script: Script) -> None:
    outcome = script.play(
        release_version(VERSION),
        **to_release(versions(OURS, FOREIGN), versions(OURS, OURS)),
        get_effective_webviewdomain=[effective(B, A), effective(B, A)],
    )
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


LOST = WxaTransportError("got no answer: the connection broke")
NAMELESS = {"user_version": "", "user_desc": ""}
PLAIN = {"user_version": "1.4.0", "user_desc": ""}


def at(online: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return an answer of getversioninfo whose online version went online at this time."""
    return online | {"release_info": online["release_info"] | {"release_time": seconds}}


def lists(own_said: Any, platform_said: Any) -> dict[str, Any]:
    return {"setwebviewdomain": [own_said], "modify_wxa_jump_domain": [platform_said]}


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
    outcome = script.play(
        release_version(VERSION), **to_release(*looks, said=said), get_effective_webviewdomain=[effective(A)]
    )
    assert (outcome.outcome, outcome.release_version) == ("released", version)
    assert script.asked.count("release") == 1


@pytest.mark.parametrize("said", [-1, WxaTransportError("lost")])
def test_effective_domains_that_cannot_be_read_fail_no_release(script: Script, said: Any) -> None:
    outcome = script.play(
        release_version(VERSION),
        **to_release(versions(), versions(None, OURS)),
        get_effective_webviewdomain=[effective(A), said],
    )
    assert (outcome.outcome, outcome.effective) == ("released", None)


def test_what_is_online_already_is_not_published_again(script: Script) -> None:
    online = {"getversioninfo": [versions(None, OURS)], "get_effective_webviewdomain": [effective()]}
    outcome = script.play(release_version(VERSION), **online)
    assert (outcome.outcome, outcome.release_version, outcome.effective) == ("already_released", "1.4.0", ())
    assert "release" not in script.asked


@pytest.mark.parametrize(
    ("status", "word"), [(AUDITING, "auditing"), (DELAYED, "delayed"), (REJECTED, "rejected"), (WITHDRAWN, "withdrawn")]
)
def test_our_sheet_that_is_not_approved_is_not_published(script: Script, status: int, word: str) -> None:
    with pytest.raises(WxaStateError, match="release not sent: the audit sheet of this version is not") as raised:
        script.play(
            release_version(VERSION),
            getversioninfo=[versions()],
            get_latest_auditstatus=[a_sheet(OURS, status)],
            get_auditstatus=[{"status": status}] if status in (AUDITING, DELAYED) else [],
        )
    assert raised.value.retryable is (status in (AUDITING, DELAYED))
    assert f"status {word}" in str(raised.value)
    assert "WxaAuditSensor" in str(raised.value)


@pytest.mark.parametrize(
    ("noted", "hint"), [("", "WxaAuditSensor"), ("1234567", "WxaAuditSensor"), ("7", "adopts the newer sheet")]
)
def test_a_newer_sheet_of_our_own_version_is_told_from_the_one_that_was_waited_for(
    script: Script, noted: str, hint: str
) -> None:
    with pytest.raises(WxaStateError, match="the audit sheet of this version is not approved") as raised:
        script.play(
            release_version(VERSION, noted_auditid=noted),
            getversioninfo=[versions()],
            get_latest_auditstatus=[a_sheet(OURS, AUDITING)],
            get_auditstatus=[-1],
        )
    assert "auditid 1234567" in str(raised.value)
    assert hint in raised.value.next_step


@pytest.mark.parametrize(("status", "is_released"), [(APPROVED, True), (AUDITING, False)])
def test_an_approved_sheet_whose_number_is_left_out_is_asked_for_by_the_number_that_was_approved(
    script: Script, status: int, is_released: bool
) -> None:
    latest = a_sheet(OURS, APPROVED) | {"auditid": None}
    answers: dict[str, Any] = {
        "get_latest_auditstatus": [latest],
        "get_auditstatus": [a_sheet(OURS, status)],
        "getversioninfo": [versions(OURS, FOREIGN)] * 2,
        "setwebviewdomain": [{"errcode": 0, "webviewdomain": [B.origin, A.origin]}],
    }
    step = release_version(VERSION, noted_auditid="1234567", approval=APPROVAL)
    if not is_released:
        with pytest.raises(WxaStateError, match="is not approved"):
            script.play(step, approved=True, **answers)
        return
    answers["getversioninfo"].append(versions(OURS, OURS))
    answers |= {"release": [0], "get_effective_webviewdomain": [effective(B, A)]}
    assert script.play(step, approved=True, **answers).outcome == "released"
    assert [each.about for each in script.proved] == [
        APPROVAL.about,  # for what may go offline
        APPROVAL.about,
        {
            "online": {"version": "9.9.9", "description": FOREIGN["user_desc"], "time": 2},
            "configured": tuple(OWN),
        },
    ]


@pytest.mark.parametrize(("said", "configured"), [(89231, None), (48001, None), ({"errcode": 0}, None)])
def test_a_list_that_wechat_does_not_tell_is_found_as_it_was_approved(
    script: Script, said: Any, configured: Any
) -> None:
    answers: dict[str, Any] = {"getversioninfo": [versions()], "get_latest_auditstatus": [85058]}
    found = script.play(before_release(VERSION, ()), setwebviewdomain=[said], **answers)
    assert found.named == {"online": None, "configured": configured}
    assert found.is_individual == (said == 89231)


def test_a_state_that_may_be_told_at_the_next_try_is_not_taken_for_unknown(
    script: Script, lost: WxaTransportError
) -> None:
    with pytest.raises(WxaTransportError):
        script.play(before_release(VERSION, ()), getversioninfo=[lost])


def makes(auditid: str) -> dict[str, Step[Any]]:
    """Return the steps that show a version to users, by the endpoint that does."""
    return {
        "release": release_version(VERSION, noted_auditid=auditid, approval=APPROVAL),
        "grayrelease": gray_release(VERSION, 30, noted_auditid=auditid, approval=APPROVAL),
    }


@pytest.mark.parametrize(("endpoint", "before"), [("release", "getversioninfo"), ("grayrelease", "getgrayreleaseplan")])
def test_nothing_is_published_that_nobody_has_approved(script: Script, endpoint: str, before: str) -> None:
    refused = WxaStateError("nobody has approved it")
    with pytest.raises(WxaStateError) as raised:
        script.play(makes("7")[endpoint], approved=refused, **{before: [{"errcode": 0}]})
    assert raised.value is refused
    assert script.asked == [before]


@pytest.mark.parametrize(("endpoint", "before"), [("release", "getversioninfo"), ("grayrelease", "getgrayreleaseplan")])
@pytest.mark.parametrize("auditid", ["7", ""])
def test_another_sheet_than_the_approved_one_is_not_published(
    script: Script, endpoint: str, before: str, auditid: str
) -> None:
    with pytest.raises(WxaStateError, match=f"sheet {auditid or 'not known'} was approved, and it is not the latest"):
        script.play(
            makes(auditid)[endpoint],
            approved=True,
            get_latest_auditstatus=[a_sheet(OURS, APPROVED)],
            setwebviewdomain=[{"errcode": 0, "webviewdomain": []}],
            **{"getversioninfo": [{"errcode": 0}], before: [{"errcode": 0}] * (1 + (before == "getversioninfo"))},
        )


@pytest.mark.parametrize("said", ["foreign", 85058])
def test_only_a_sheet_with_our_fingerprint_is_published(script: Script, said: Any) -> None:
    sheet = a_sheet(FOREIGN, APPROVED) if said == "foreign" else said
    with pytest.raises(WxaStateError, match="release not sent: the latest audit sheet is not of this") as raised:
        script.play(release_version(VERSION), getversioninfo=[versions()], get_latest_auditstatus=[sheet])
    assert ("latest sheet 9.9.9" if said == "foreign" else "latest sheet none") in str(raised.value)
    assert "WxaCommitOperator" in str(raised.value)
    assert "release" not in script.asked


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
        *(
            (
                [versions(None, before), versions(None, after)],
                0,
                "another version is online than the one released",
                False,
            )
            for before, after in ((FOREIGN, None), (None, FOREIGN))
        ),
    ],
)
def test_a_release_behind_which_ours_is_not_online_is_an_error(
    script: Script, looks: Any, said: Any, told: str, retryable: bool
) -> None:
    with pytest.raises(WxaError, match=told) as raised:
        script.play(release_version(VERSION), **to_release(*looks, said=said))
    assert raised.value.retryable is retryable
    assert (raised.value is LOST) == (told == "got no answer")
    assert sum(script.pauses) == (30 if len(looks) > 2 else 0)


def test_85052_is_success_when_ours_is_online(script: Script) -> None:
    outcome = script.play(
        release_version(VERSION, [A]),
        **lists(own(A), platform("example.com")),
        **to_release(versions(None, PLAIN), versions(None, PLAIN), said=85052),
        get_effective_webviewdomain=[effective(A), effective(A)],
    )
    assert outcome.outcome == "already_released"


@pytest.mark.parametrize("errcode", [85019, 85020])
@pytest.mark.parametrize("trial", [None, OURS, FOREIGN])
def test_85020_for_our_approved_sheet_is_tried_again_by_the_task_and_not_by_the_step(
    script: Script, errcode: int, trial: Any
) -> None:
    # Developers report 85020 for an approved version when somebody committed before it was released.
    told = (
        r"release stopped.*\n.*trial version 9\.9\.9"
        if trial == FOREIGN
        else rf"release refused.*\n.*errcode {errcode}"
    )
    with pytest.raises(WxaStateError, match=told) as raised:
        script.play(release_version(VERSION), **to_release(versions(), versions(trial), said=errcode))
    assert f"errcode {errcode}, errmsg said WeChat, rid 0-1-2" in str(raised.value)
    assert (raised.value.errcode, raised.value.retryable) == (errcode, errcode == 85020 and trial == OURS)
    assert script.asked.count("release") == 1


@pytest.mark.parametrize(("released_at", "ours"), [(2, True), (1, True), (3, False), (0, False)])
def test_verify_takes_an_empty_release_version_for_ours_by_the_time_of_our_release(
    script: Script, released_at: int, ours: bool
) -> None:
    def step() -> Any:
        return script.play(
            verify_release(VERSION, individual=True, released_at=released_at),
            getversioninfo=[versions(None, NAMELESS)],
        )

    if ours:
        assert step().outcome == "released"
    else:
        with pytest.raises(WxaStateError, match="verify_release stopped: another version"):
            step()


@pytest.mark.parametrize("platform_said", [platform("example.com"), {"errcode": 0}, -1, 61007])
@pytest.mark.parametrize("own_said", [own(A, B), {"errcode": 0}])
def test_domains_that_are_on_both_lists_as_far_as_they_can_be_read_are_released(
    script: Script, own_said: Any, platform_said: Any
) -> None:
    outcome = script.play(
        release_version(VERSION, [A, B]),
        **lists(own_said, platform_said),
        **to_release(versions(), versions(None, OURS)),
        get_effective_webviewdomain=[effective(), effective(A, B)],
    )
    assert outcome.outcome == "released"


@pytest.mark.parametrize(
    ("own_said", "platform_said", "missing", "shown"),
    [
        (own(A, B), platform("a.example.com"), ("none", B.origin), (f"{A.origin}, {B.origin}", "a.example.com")),
        (own(A), platform("example.com"), (B.origin, "none"), (A.origin, "example.com")),
        (own(), 61007, (f"{A.origin}, {B.origin}", "none"), ("none", "unknown")),
        ({"errcode": 0}, platform(), ("none", f"{A.origin}, {B.origin}"), ("unknown", "none")),
    ],
)
def test_a_wanted_domain_that_the_release_would_leave_offline_stops_it_and_is_named(
    script: Script, own_said: Any, platform_said: Any, missing: Any, shown: Any
) -> None:
    with pytest.raises(WxaStateError, match="release not sent: it would leave wanted business domains") as raised:
        script.play(release_version(VERSION, [A, B]), **lists(own_said, platform_said), getversioninfo=[versions()])
    text = str(raised.value)
    assert f"not configured {missing[0]}, not on the platform list {missing[1]}, " in text
    assert f"configured {shown[0]}, platform list {shown[1]}\n" in text
    assert "release" not in script.asked


@pytest.mark.parametrize("refused", [False, True])
def test_ours_that_is_online_without_a_wanted_domain_needs_a_new_version(script: Script, refused: bool) -> None:
    asked = {
        "setwebviewdomain": [own(A), own(A)],
        "modify_wxa_jump_domain": [-1],
        "get_latest_auditstatus": [a_sheet(OURS, APPROVED)],
        "getversioninfo": [versions(None, PLAIN), versions(None, PLAIN)],
        "release": [85052],
    }
    online_already = {"setwebviewdomain": [own(A)], "getversioninfo": [versions(None, OURS)]}
    with pytest.raises(WxaStateError, match="these domains need a new version"):
        script.play(
            release_version(VERSION, [A]),
            get_effective_webviewdomain=[effective()] * (1 + refused),
            **(asked if refused else online_already),
        )


def test_verify_proves_version_and_effective_domains(script: Script) -> None:
    outcome = script.play(
        verify_release(VERSION, [A]),
        getversioninfo=[versions(None, OURS)],
        get_effective_webviewdomain=[effective(B, A)],
    )
    assert (outcome.outcome, outcome.effective) == ("released", (A.origin, B.origin))


def test_verify_asks_for_no_domains_of_an_individual(script: Script) -> None:
    outcome = script.play(verify_release(VERSION, [A], individual=True), getversioninfo=[versions(None, OURS)])
    assert outcome.effective is None
    assert script.asked == ["getversioninfo"]


@pytest.mark.parametrize("online", [None, "foreign", "same version, other fingerprint"])
def test_verify_fails_when_another_version_is_online(script: Script, online: str | None) -> None:
    whose = {
        None: None,
        "foreign": FOREIGN,
        "same version, other fingerprint": FOREIGN | {"user_version": "1.4.0"},
    }[online]
    with pytest.raises(WxaStateError, match="verify_release stopped: another version is online") as raised:
        script.play(verify_release(VERSION, [A]), getversioninfo=[versions(None, whose)])
    assert f"ours 1.4.0 {VERSION.mark}" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "configured", "why"),
    [
        (own(A), f"configured {A.origin}", "become effective with the next release only"),
        (own(), "configured none", "At release WeChat keeps only domains that the platform's list still holds"),
        ({"errcode": 0}, "configured unknown", "At release WeChat keeps only domains"),
        (89020, "configured unknown", "At release WeChat keeps only domains"),
        (WxaTransportError("lost"), "configured unknown", "At release WeChat keeps only domains"),
    ],
)
@pytest.mark.parametrize("online", [(B,), ()])
def test_verify_names_wanted_domains_that_are_not_effective_and_the_likely_cause(
    script: Script, said: Any, configured: str, why: str, online: Any
) -> None:
    with pytest.raises(WxaStateError, match="wanted business domains are not effective") as raised:
        script.play(
            verify_release(VERSION, [A, *online]),
            getversioninfo=[versions(None, OURS)],
            get_effective_webviewdomain=[effective(*online)],
            setwebviewdomain=[said],
        )
    told = str(raised.value)
    named = f"missing {A.origin}, effective {B.origin if online else 'none'}"
    assert [each for each in (named, configured, why, "release a new user_version") if each not in told] == []


def test_verify_does_not_guess_when_the_effective_domains_cannot_be_read(script: Script) -> None:
    told = {"getversioninfo": [versions(None, OURS)], "get_effective_webviewdomain": [61007]}
    with pytest.raises(WxaPermissionError, match="61007"):
        script.play(verify_release(VERSION, [A]), **told)


def test_85052_without_a_version_is_ours_when_it_went_online_after_our_sheet_was_submitted(script: Script) -> None:
    nameless = versions(None, NAMELESS)
    submitted = a_sheet(OURS, APPROVED) | {"submit_audit_time": 1}
    outcome = script.play(
        release_version(VERSION),
        get_latest_auditstatus=[submitted],
        getversioninfo=[nameless, nameless],
        release=[85052],
        get_effective_webviewdomain=[effective()],
    )
    assert outcome.outcome == "already_released"


def test_a_release_that_proves_its_domains_reads_them_once(script: Script) -> None:
    outcome = script.play(
        release_version(VERSION, [A], prove=True),
        **lists(own(A), platform("example.com")),
        **to_release(versions(), versions(None, OURS)),
        get_effective_webviewdomain=[effective(), effective(A)],
    )
    assert (outcome.outcome, outcome.effective) == ("released", (A.origin,))


def test_a_release_whose_domains_do_not_open_is_told_at_once(script: Script) -> None:
    with pytest.raises(WxaStateError, match="wanted business domains are not effective"):
        script.play(
            release_version(VERSION, [A], prove=True),
            **lists(own(A), platform("example.com")) | {"setwebviewdomain": [own(A)] * 2},
            **to_release(versions(), versions(None, OURS)),
            get_effective_webviewdomain=[effective(B), effective()],
        )

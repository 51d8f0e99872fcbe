"""Publishing: an approved sheet of ours and nothing else, once; then the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaBusyError, WxaPermissionError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import release_version, verify_release

if TYPE_CHECKING:
    from airflow_wxa.api.code import CodeVersion
    from tests.steps.conftest import Script, Slots

APPROVED, REJECTED, AUDITING, WITHDRAWN, DELAYED = range(5)
A, B = WebviewDomain("a.example.com"), WebviewDomain("b.example.com")


def effective(*domains: WebviewDomain) -> dict[str, Any]:
    return {"errcode": 0, "effective_webviewdomain": [f"{domain.origin}/" for domain in domains]}


def own(*domains: WebviewDomain) -> dict[str, Any]:
    return {"errcode": 0, "webviewdomain": [domain.origin for domain in domains]}


def test_our_approved_sheet_is_published_and_read_back(script: Script, slots: Slots, version: CodeVersion) -> None:
    outcome = script.play(
        release_version(version),
        get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
        getversioninfo=[slots.versions(slots.ours, slots.foreign), slots.versions(slots.ours, slots.ours)],
        release=[0],
        get_effective_webviewdomain=[effective(B, A)],
    )
    assert outcome.to_json() == {
        "outcome": "released",
        "appid": APPID,
        "release_version": "1.4.0",
        "effective": [A.origin, B.origin],
    }
    assert script.bodies("release") == [{}]


@pytest.mark.parametrize("said", [-1, WxaTransportError("lost")])
def test_effective_domains_that_cannot_be_read_fail_no_release(
    script: Script, slots: Slots, version: CodeVersion, said: Any
) -> None:
    outcome = script.play(
        release_version(version),
        get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
        getversioninfo=[slots.versions(), slots.versions(None, slots.ours)],
        release=[0],
        get_effective_webviewdomain=[said],
    )
    assert (outcome.outcome, outcome.effective) == ("released", None)


def test_what_is_online_already_is_not_published_again(script: Script, slots: Slots, version: CodeVersion) -> None:
    outcome = script.play(
        release_version(version),
        get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
        getversioninfo=[slots.versions(None, slots.ours)],
        get_effective_webviewdomain=[effective()],
    )
    assert (outcome.outcome, outcome.release_version, outcome.effective) == ("already_released", "1.4.0", ())
    assert "release" not in script.asked


@pytest.mark.parametrize(
    ("status", "word"), [(AUDITING, "auditing"), (DELAYED, "delayed"), (REJECTED, "rejected"), (WITHDRAWN, "withdrawn")]
)
def test_our_sheet_that_is_not_approved_is_not_published(
    script: Script, slots: Slots, version: CodeVersion, status: int, word: str
) -> None:
    with pytest.raises(WxaStateError, match="release not sent: the audit sheet of this version is not") as raised:
        script.play(release_version(version), get_latest_auditstatus=[slots.sheet(slots.ours, status)])
    assert f"status {word}" in str(raised.value)
    assert "WxaAuditSensor" in str(raised.value)


@pytest.mark.parametrize("said", ["foreign", 85058])
def test_only_a_sheet_with_our_fingerprint_is_published(
    script: Script, slots: Slots, version: CodeVersion, said: Any
) -> None:
    sheet = slots.sheet(slots.foreign, APPROVED) if said == "foreign" else said
    with pytest.raises(WxaStateError, match="release not sent: the latest audit sheet is not of this") as raised:
        script.play(release_version(version), get_latest_auditstatus=[sheet])
    assert ("latest sheet 9.9.9" if said == "foreign" else "latest sheet none") in str(raised.value)
    assert "WxaCommitOperator" in str(raised.value)
    assert script.asked == ["get_latest_auditstatus"]


@pytest.mark.parametrize("before", [None, "foreign"])
def test_after_a_lost_answer_the_online_version_tells_whether_it_was_published(
    script: Script, slots: Slots, version: CodeVersion, lost: WxaTransportError, before: str | None
) -> None:
    outcome = script.play(
        release_version(version),
        get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
        getversioninfo=[
            slots.versions(None, slots.foreign if before else None),
            slots.versions(None, slots.ours),
        ],
        release=[lost],
        get_effective_webviewdomain=[effective(A)],
    )
    assert outcome.outcome == "released"
    assert script.asked.count("release") == 1


@pytest.mark.parametrize("before", [None, "foreign"])
def test_a_release_that_was_lost_before_its_work_is_a_transport_error(
    script: Script, slots: Slots, version: CodeVersion, lost: WxaTransportError, before: str | None
) -> None:
    online = slots.versions(None, slots.foreign if before else None)
    with pytest.raises(WxaTransportError) as raised:
        script.play(
            release_version(version),
            get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
            getversioninfo=[online, online],
            release=[lost],
        )
    assert raised.value is lost


def test_a_busy_wechat_that_did_nothing_is_repeated_by_the_task(
    script: Script, slots: Slots, version: CodeVersion
) -> None:
    with pytest.raises(WxaBusyError):
        script.play(
            release_version(version),
            get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
            getversioninfo=[slots.versions(), slots.versions()],
            release=[-1],
        )


def test_another_version_that_went_online_while_our_answer_was_lost_is_named(
    script: Script, slots: Slots, version: CodeVersion, lost: WxaTransportError
) -> None:
    with pytest.raises(WxaStateError, match="release stopped: another version is online"):
        script.play(
            release_version(version),
            get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
            getversioninfo=[slots.versions(), slots.versions(None, slots.foreign)],
            release=[lost],
        )


def test_85052_is_success_when_ours_is_online(script: Script, slots: Slots, version: CodeVersion) -> None:
    plain = {"user_version": "1.4.0", "user_desc": ""}
    outcome = script.play(
        release_version(version),
        get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
        getversioninfo=[slots.versions(None, plain), slots.versions(None, plain)],
        release=[85052],
        get_effective_webviewdomain=[effective(A)],
    )
    assert outcome.outcome == "already_released"


def test_85052_is_an_error_of_state_when_another_version_is_online(
    script: Script, slots: Slots, version: CodeVersion
) -> None:
    with pytest.raises(WxaStateError, match=r"release stopped.*\n  .*online 9\.9\.9"):
        script.play(
            release_version(version),
            get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
            getversioninfo=[slots.versions(None, slots.foreign), slots.versions(None, slots.foreign)],
            release=[85052],
        )


@pytest.mark.parametrize("errcode", [85019, 85020])
def test_a_refused_release_is_raised_as_itself(
    script: Script, slots: Slots, version: CodeVersion, errcode: int
) -> None:
    with pytest.raises(WxaStateError, match=str(errcode)):
        script.play(
            release_version(version),
            get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
            getversioninfo=[slots.versions()],
            release=[errcode],
        )


@pytest.mark.parametrize("online", [None, "foreign", "nameless"])
def test_an_accepted_release_after_which_ours_is_not_online_is_an_error(
    script: Script, slots: Slots, version: CodeVersion, online: str | None
) -> None:
    whose = {None: None, "foreign": slots.foreign, "nameless": {"user_version": "", "user_desc": ""}}[online]
    with pytest.raises(WxaStateError, match="another version is online than the one released"):
        script.play(
            release_version(version),
            get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
            getversioninfo=[slots.versions(), slots.versions(None, whose)],
            release=[0],
        )


def test_an_empty_release_version_is_ours_when_its_description_carries_the_fingerprint(
    script: Script, slots: Slots, version: CodeVersion
) -> None:
    # release_version came back empty once (a developer's post).
    nameless = slots.ours | {"user_version": ""}
    outcome = script.play(
        release_version(version),
        get_latest_auditstatus=[slots.sheet(slots.ours, APPROVED)],
        getversioninfo=[slots.versions(), slots.versions(None, nameless)],
        release=[0],
        get_effective_webviewdomain=[effective()],
    )
    assert (outcome.outcome, outcome.release_version) == ("released", "")


def test_verify_proves_version_and_effective_domains(script: Script, slots: Slots, version: CodeVersion) -> None:
    outcome = script.play(
        verify_release(version, [A]),
        getversioninfo=[slots.versions(None, slots.ours)],
        get_effective_webviewdomain=[effective(B, A)],
    )
    assert (outcome.outcome, outcome.effective) == ("released", (A.origin, B.origin))


def test_verify_asks_for_no_domains_of_an_individual(script: Script, slots: Slots, version: CodeVersion) -> None:
    outcome = script.play(
        verify_release(version, [A], individual=True), getversioninfo=[slots.versions(None, slots.ours)]
    )
    assert outcome.effective is None
    assert script.asked == ["getversioninfo"]


@pytest.mark.parametrize("online", [None, "foreign", "same version, other fingerprint"])
def test_verify_fails_when_another_version_is_online(
    script: Script, slots: Slots, version: CodeVersion, online: str | None
) -> None:
    whose = {
        None: None,
        "foreign": slots.foreign,
        "same version, other fingerprint": slots.foreign | {"user_version": "1.4.0"},
    }[online]
    with pytest.raises(WxaStateError, match="verify_release stopped: another version is online") as raised:
        script.play(verify_release(version, [A]), getversioninfo=[slots.versions(None, whose)])
    assert f"ours 1.4.0 {version.mark}" in str(raised.value)


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
def test_verify_names_wanted_domains_that_are_not_effective_and_the_likely_cause(
    script: Script, slots: Slots, version: CodeVersion, said: Any, configured: str, why: str
) -> None:
    with pytest.raises(WxaStateError, match="wanted business domains are not effective") as raised:
        script.play(
            verify_release(version, [A, B]),
            getversioninfo=[slots.versions(None, slots.ours)],
            get_effective_webviewdomain=[effective(B)],
            setwebviewdomain=[said],
        )
    text = str(raised.value)
    assert f"missing {A.origin}, effective {B.origin}" in text
    assert configured in text
    assert why in text
    assert "release a new user_version" in text


def test_verify_says_none_where_nothing_is_effective(script: Script, slots: Slots, version: CodeVersion) -> None:
    with pytest.raises(WxaStateError, match=f"missing {A.origin}, effective none"):
        script.play(
            verify_release(version, [A]),
            getversioninfo=[slots.versions(None, slots.ours)],
            get_effective_webviewdomain=[effective()],
            setwebviewdomain=[own()],
        )


def test_verify_does_not_guess_when_the_effective_domains_cannot_be_read(
    script: Script, slots: Slots, version: CodeVersion
) -> None:
    with pytest.raises(WxaPermissionError, match="61007"):
        script.play(
            verify_release(version, [A]),
            getversioninfo=[slots.versions(None, slots.ours)],
            get_effective_webviewdomain=[61007],
        )

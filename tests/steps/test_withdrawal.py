"""Somebody else's sheet in audit: withdrawn only when asked for and when some withdrawals are left."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaError, WxaPermissionError, WxaQuotaError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Left, Submission, commit_code, submit_version, withdraw_audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.api.code import CodeVersion
    from airflow_wxa.errors import WxaTransportError
    from airflow_wxa.steps import Step
    from tests.steps.conftest import Script, Slots

    Make = Callable[[CodeVersion], Step[Any]]

APPROVED, REJECTED, AUDITING, WITHDRAWN, DELAYED = range(5)
NO_SHEET = 85058
QUOTA = {"errcode": 0, "rest": 8, "limit": 27}


def commits(version: CodeVersion) -> Step[Any]:
    return commit_code(version, "release 1.4.0", withdraw_foreign_audit=True)


def submits(version: CodeVersion) -> Step[Any]:
    return submit_version(version, Submission(withdraw_foreign_audit=True))


both = pytest.mark.parametrize("make", [commits, submits])


def rest_of(make: Make, slots: Slots) -> dict[str, list[Any]]:
    """Return what the rest of the step is answered, once the sheet is out of the way."""
    if make is commits:
        return {"getversioninfo": [slots.versions(), slots.versions(slots.ours)], "commit": [0]}
    return {
        "getversioninfo": [slots.versions(slots.ours)],
        "queryquota": [QUOTA],
        "submit_audit": [{"errcode": 0, "auditid": 7}],
    }


def sheets(make: Make, slots: Slots, *said: Any) -> list[Any]:
    """Return what is said of the latest sheet; a submission reads its own one back at the end."""
    return [*said, slots.sheet(slots.ours, AUDITING, auditid=7)] if make is submits else list(said)


def reads_before(make: Make, slots: Slots) -> dict[str, list[Any]]:
    if make is commits:
        return {"getversioninfo": [slots.versions()]}
    return {"getversioninfo": [slots.versions(slots.ours)], "queryquota": [QUOTA]}


@both
@pytest.mark.parametrize("status", [AUDITING, DELAYED])
def test_a_foreign_sheet_in_audit_is_withdrawn_when_asked_for_and_named(
    script: Script, slots: Slots, version: CodeVersion, make: Make, status: int
) -> None:
    foreign, withdrawn = slots.sheet(slots.foreign, status), slots.sheet(slots.foreign, WITHDRAWN)
    outcome = script.play(
        make(version),
        left=1,
        get_latest_auditstatus=sheets(make, slots, foreign, foreign, withdrawn),
        undocodeaudit=[0],
        **rest_of(make, slots),
    )
    assert (outcome.outcome, outcome.superseded) == ("committed" if make is commits else "submitted", "9.9.9")
    (call,) = [call for call in script.calls if call.endpoint.name == "undocodeaudit"]
    assert call.before == {"in audit": "9.9.9", "auditid": "1234567"}


@both
@pytest.mark.parametrize("left", [0, -1])
def test_used_up_withdrawals_are_not_tried(
    script: Script, slots: Slots, version: CodeVersion, make: Make, left: int
) -> None:
    with pytest.raises(WxaQuotaError, match="undocodeaudit not sent") as raised:
        script.play(
            make(version),
            left=left,
            get_latest_auditstatus=[slots.sheet(slots.foreign, AUDITING)] * 2,
            **reads_before(make, slots),
        )
    assert raised.value.errcode == 87013
    assert "in audit 9.9.9, auditid 1234567" in str(raised.value)


def test_nothing_is_withdrawn_for_a_submission_that_the_quota_does_not_allow(
    script: Script, slots: Slots, version: CodeVersion
) -> None:
    with pytest.raises(WxaQuotaError, match="submit_audit not sent"):
        script.play(
            submits(version),
            left=5,
            get_latest_auditstatus=[slots.sheet(slots.foreign, AUDITING)],
            queryquota=[QUOTA | {"rest": 0}],
        )


def test_nothing_is_withdrawn_when_our_version_is_not_on_trial(
    script: Script, slots: Slots, version: CodeVersion
) -> None:
    with pytest.raises(WxaStateError, match="the trial version is not the one"):
        script.play(
            submits(version),
            left=5,
            get_latest_auditstatus=[slots.sheet(slots.foreign, AUDITING)],
            queryquota=[QUOTA],
            getversioninfo=[slots.versions(slots.foreign)],
        )


@both
def test_our_own_sheet_is_never_withdrawn(script: Script, slots: Slots, version: CodeVersion, make: Make) -> None:
    script.play(
        make(version),
        left=5,
        get_latest_auditstatus=[slots.sheet(slots.ours, AUDITING)],
        **({"getversioninfo": [slots.versions()]} if make is commits else {}),
    )
    assert "undocodeaudit" not in script.asked
    assert script.counted == []


@both
@pytest.mark.parametrize("newer", ["ours", "theirs", "none"])
def test_behind_the_fence_another_sheet_than_the_one_seen_before_it_is_not_withdrawn(
    script: Script, slots: Slots, version: CodeVersion, make: Make, newer: str
) -> None:
    theirs = {"user_version": "10.0.0", "user_desc": "theirs"}
    seen = NO_SHEET if newer == "none" else slots.sheet(slots.ours if newer == "ours" else theirs, AUDITING, 7654321)
    looks = [slots.sheet(slots.foreign, AUDITING), seen]
    with pytest.raises(WxaStateError, match=r"in audit 10\.0\.0") if newer == "theirs" else nullcontext():
        script.play(
            make(version),
            get_latest_auditstatus=sheets(make, slots, *looks) if newer == "none" else looks,
            **(rest_of(make, slots) if newer == "none" else reads_before(make, slots)),
        )
    assert script.counted == [Left("undocodeaudit", APPID)]
    assert "undocodeaudit" not in script.asked


@both
@pytest.mark.parametrize("after", [NO_SHEET, WITHDRAWN, APPROVED, REJECTED])
def test_a_lost_answer_is_read_back_instead_of_withdrawn_again(
    script: Script, slots: Slots, version: CodeVersion, lost: WxaTransportError, make: Make, after: int
) -> None:
    sheet = after if after == NO_SHEET else slots.sheet(slots.foreign, after)
    script.play(
        make(version),
        left=1,
        get_latest_auditstatus=sheets(make, slots, *[slots.sheet(slots.foreign, AUDITING)] * 2, sheet),
        undocodeaudit=[lost],
        **rest_of(make, slots),
    )
    assert script.asked.count("undocodeaudit") == 1


@both
def test_a_withdrawal_that_was_lost_before_its_work_is_a_transport_error(
    script: Script, slots: Slots, version: CodeVersion, lost: WxaTransportError, make: Make
) -> None:
    foreign = slots.sheet(slots.foreign, AUDITING)
    with pytest.raises(type(lost)) as raised:
        script.play(
            make(version),
            left=1,
            get_latest_auditstatus=[foreign] * 3,
            undocodeaudit=[lost],
            **reads_before(make, slots),
        )
    assert raised.value is lost


@both
@pytest.mark.parametrize(("errcode", "kind"), [(-1, WxaBusyError), (87012, WxaStateError)])
def test_a_withdrawal_that_was_refused_while_the_sheet_is_in_audit_says_why(
    script: Script, slots: Slots, version: CodeVersion, make: Make, errcode: int, kind: type[WxaError]
) -> None:
    foreign = slots.sheet(slots.foreign, AUDITING)
    with pytest.raises(kind, match=f"undocodeaudit refused.*\n.*errcode {errcode}"):
        script.play(
            make(version),
            left=1,
            get_latest_auditstatus=[foreign] * 3,
            undocodeaudit=[errcode],
            **reads_before(make, slots),
        )


@both
def test_a_review_that_ended_before_our_withdrawal_is_superseded(
    script: Script, slots: Slots, version: CodeVersion, make: Make
) -> None:
    outcome = script.play(
        make(version),
        left=1,
        get_latest_auditstatus=sheets(
            make, slots, *[slots.sheet(slots.foreign, AUDITING)] * 2, slots.sheet(slots.foreign, APPROVED)
        ),
        undocodeaudit=[87012],
        **rest_of(make, slots),
    )
    assert outcome.superseded == "9.9.9"


def test_a_review_that_ended_before_its_own_withdrawal_is_named_instead_of_what_was_refused(
    script: Script, slots: Slots
) -> None:
    with pytest.raises(WxaStateError, match=r"sheet 1234567 is not the one in audit\n[\s\S]*status approved"):
        script.play(
            withdraw_audit(APPID, "1234567"),
            left=5,
            get_latest_auditstatus=[slots.sheet(slots.ours, AUDITING), slots.sheet(slots.ours, APPROVED)],
            undocodeaudit=[87012],
        )


@both
@pytest.mark.parametrize("said", [0, 87012])
def test_another_sheet_that_went_into_audit_meanwhile_stops_and_is_named(
    script: Script, slots: Slots, version: CodeVersion, make: Make, said: int
) -> None:
    newer = slots.sheet({"user_version": "10.0.0", "user_desc": "theirs"}, AUDITING, auditid=7654321)
    with pytest.raises(WxaStateError, match=r"stopped: another version.*\n.*in audit 10\.0\.0"):
        script.play(
            make(version),
            left=1,
            get_latest_auditstatus=[*[slots.sheet(slots.foreign, AUDITING)] * 2, newer],
            undocodeaudit=[said],
            **reads_before(make, slots),
        )


@both
def test_a_withdrawal_that_someone_must_permit_is_raised_at_once(
    script: Script, slots: Slots, version: CodeVersion, make: Make
) -> None:
    with pytest.raises(WxaPermissionError, match="61007"):
        script.play(
            make(version),
            left=1,
            get_latest_auditstatus=[slots.sheet(slots.foreign, AUDITING)] * 2,
            undocodeaudit=[61007],
            **reads_before(make, slots),
        )


@both
def test_a_sheet_that_may_be_ours_is_never_withdrawn(
    make: Make, script: Script, slots: Slots, version: CodeVersion
) -> None:
    undescribed = slots.sheet(slots.ours | {"user_desc": ""}, AUDITING)
    with pytest.raises(WxaStateError, match="is in audit"):
        script.play(make(version), left=5, get_latest_auditstatus=[undescribed], **reads_before(make, slots))
    assert "undocodeaudit" not in script.asked


@both
def test_a_sheet_of_ours_that_a_newer_attempt_submitted_meanwhile_is_kept(
    make: Make, script: Script, slots: Slots, version: CodeVersion
) -> None:
    outcome = script.play(
        make(version),
        left=5,
        get_latest_auditstatus=[*[slots.sheet(slots.foreign, AUDITING)] * 2, slots.sheet(slots.ours, AUDITING)],
        undocodeaudit=[0],
        **reads_before(make, slots),
    )
    assert outcome.outcome in {"unchanged", "adopted"}

"""Somebody else's sheet in audit: withdrawn only when asked for and when some withdrawals are left."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.errors import (
    WxaBusyError,
    WxaError,
    WxaPermissionError,
    WxaQuotaError,
    WxaStateError,
    WxaTransportError,
)
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Left, Submission, withdraw_audit
from tests.steps.answers import (
    ACCEPTED,
    APPROVED,
    AUDITING,
    DELAYED,
    FOREIGN,
    IN_AUDIT,
    NO_SHEET,
    OURS,
    QUOTA,
    REJECTED,
    THEIRS,
    WITHDRAWN,
    a_sheet,
    commits,
    submits,
    versions,
)

if TYPE_CHECKING:
    from airflow_wxa.errors import WxaTransportError
    from airflow_wxa.steps import CommitOutcome, SubmitOutcome
    from tests.steps.conftest import Script

NEWER = a_sheet({"user_version": "10.0.0", "user_desc": "theirs"}, AUDITING, 7654321)
both = pytest.mark.parametrize("make", ["commit", "submit_audit"])


def meets(
    script: Script, make: str, *sheets: Any, undo: Any = None, goes_on: bool = False, left: int = 1
) -> CommitOutcome | SubmitOutcome:
    """Commit or submit while these sheets are seen, look by look.

    :param undo: the answer to its withdrawal; ``None``: it asks for none.
    :param goes_on: whether the foreign sheet is out of the way by then, so that the step comes to its end.
    """
    more: dict[str, Any] = {"left": left} | ({} if undo is None else {"undocodeaudit": undo})
    if make == "commit":
        looks = [versions(), versions(OURS)] if goes_on else [versions()]
        return commits(script, *looks, sheets=sheets, said=0 if goes_on else None, withdraw=True, **more)
    sheets = (*sheets, IN_AUDIT) if goes_on else sheets  # a submission reads its own one back
    how = Submission(withdraw_foreign_audit=True)
    return submits(script, *sheets, how=how, said=ACCEPTED if goes_on else None, **more)


@both
@pytest.mark.parametrize("status", [AUDITING, DELAYED])
def test_a_foreign_sheet_in_audit_is_withdrawn_when_asked_for_and_named(script: Script, make: str, status: int) -> None:
    foreign, withdrawn = a_sheet(FOREIGN, status), a_sheet(FOREIGN, WITHDRAWN)
    outcome = meets(script, make, foreign, foreign, withdrawn, undo=0, goes_on=True)
    assert (outcome.outcome, outcome.superseded) == ("committed" if make == "commit" else "submitted", "9.9.9")
    (call,) = [call for call in script.calls if call.endpoint.name == "undocodeaudit"]
    assert call.before == {"in audit": "9.9.9", "auditid": "1234567"}


@both
@pytest.mark.parametrize("left", [0, -1])
def test_used_up_withdrawals_are_not_tried(script: Script, make: str, left: int) -> None:
    with pytest.raises(WxaQuotaError, match="undocodeaudit not sent") as raised:
        meets(script, make, THEIRS, THEIRS, left=left)
    assert raised.value.errcode == 87013
    assert "in audit 9.9.9, auditid 1234567" in str(raised.value)


def test_nothing_is_withdrawn_for_a_submission_without_quota_or_our_version_on_trial(script: Script) -> None:
    how = Submission(withdraw_foreign_audit=True)
    with pytest.raises(WxaQuotaError, match="submit_audit not sent"):
        submits(script, THEIRS, how=how, said=None, trial="unasked", quota=QUOTA | {"rest": 0})
    with pytest.raises(WxaStateError, match="the trial version is not the one"):
        submits(script, THEIRS, how=how, said=None, trial=FOREIGN)


@both
def test_our_own_sheet_is_never_withdrawn(script: Script, make: str) -> None:
    if make == "commit":
        meets(script, make, IN_AUDIT)
    else:
        how = Submission(withdraw_foreign_audit=True)
        submits(script, IN_AUDIT, how=how, said=None, trial="unasked", quota=None)
    assert "undocodeaudit" not in script.asked
    assert script.counted == []


@both
@pytest.mark.parametrize("newer", ["ours", "theirs", "none"])
def test_behind_the_fence_another_sheet_than_the_one_seen_before_it_is_not_withdrawn(
    script: Script, make: str, newer: str
) -> None:
    seen = {"none": NO_SHEET, "ours": a_sheet(OURS, AUDITING, 7654321), "theirs": NEWER}[newer]
    with pytest.raises(WxaStateError, match=r"in audit 10\.0\.0") if newer == "theirs" else nullcontext():
        meets(script, make, THEIRS, seen, goes_on=newer == "none")
    assert script.counted == [Left("undocodeaudit", APPID)]
    assert "undocodeaudit" not in script.asked


@both
@pytest.mark.parametrize("after", [NO_SHEET, WITHDRAWN, APPROVED, REJECTED])
def test_a_lost_answer_is_read_back_instead_of_withdrawn_again(
    script: Script, lost: WxaTransportError, make: str, after: int
) -> None:
    sheet = after if after == NO_SHEET else a_sheet(FOREIGN, after)
    meets(script, make, THEIRS, THEIRS, sheet, undo=lost, goes_on=True)
    assert script.asked.count("undocodeaudit") == 1


@both
def test_a_withdrawal_that_was_lost_before_its_work_is_a_transport_error(
    script: Script, lost: WxaTransportError, make: str
) -> None:
    with pytest.raises(type(lost)) as raised:
        meets(script, make, *[THEIRS] * 3, undo=lost)
    assert raised.value is lost


@both
@pytest.mark.parametrize(("errcode", "kind"), [(-1, WxaBusyError), (87012, WxaStateError)])
def test_a_withdrawal_that_was_refused_while_the_sheet_is_in_audit_says_why(
    script: Script, make: str, errcode: int, kind: type[WxaError]
) -> None:
    with pytest.raises(kind, match=f"undocodeaudit refused.*\n.*errcode {errcode}"):
        meets(script, make, *[THEIRS] * 3, undo=errcode)


@both
def test_a_review_that_ended_before_our_withdrawal_is_superseded(script: Script, make: str) -> None:
    outcome = meets(script, make, THEIRS, THEIRS, a_sheet(FOREIGN, APPROVED), undo=87012, goes_on=True)
    assert outcome.superseded == "9.9.9"


def test_a_review_that_ended_before_its_own_withdrawal_is_named_instead_of_what_was_refused(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"sheet 1234567 is not the one in audit\n[\s\S]*status approved"):
        script.play(
            withdraw_audit(APPID, "1234567"),
            get_latest_auditstatus=[a_sheet(OURS, AUDITING), a_sheet(OURS, APPROVED)],
            undocodeaudit=[87012],
        )


@both
@pytest.mark.parametrize("said", [0, 87012])
def test_another_sheet_that_went_into_audit_meanwhile_stops_and_is_named(script: Script, make: str, said: int) -> None:
    with pytest.raises(WxaStateError, match=r"stopped: another version.*\n.*in audit 10\.0\.0"):
        meets(script, make, THEIRS, THEIRS, NEWER, undo=said)


@both
def test_a_withdrawal_that_someone_must_permit_is_raised_at_once(script: Script, make: str) -> None:
    with pytest.raises(WxaPermissionError, match="61007"):
        meets(script, make, THEIRS, THEIRS, undo=61007)


@both
def test_a_sheet_that_may_be_ours_is_never_withdrawn(make: str, script: Script) -> None:
    with pytest.raises(WxaStateError, match="is in audit"):
        meets(script, make, a_sheet(OURS | {"user_desc": ""}, AUDITING))
    assert "undocodeaudit" not in script.asked


@both
def test_a_sheet_of_ours_that_a_newer_attempt_submitted_meanwhile_is_kept(make: str, script: Script) -> None:
    outcome = meets(script, make, THEIRS, THEIRS, a_sheet(OURS, AUDITING), undo=0)
    assert outcome.outcome in {"unchanged", "adopted"}

"""Somebody else's sheet in audit: withdrawn only when asked for and when some withdrawals are left."""

from contextlib import nullcontext
from typing import Any

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
from airflow_wxa.steps import CommitOutcome, Left, Submission, SubmitOutcome, withdraw_audit
from tests.steps.answers import (
    ACCEPTED,
    APPROVED,
    FOREIGN,
    IN_AUDIT,
    LOST,
    NO_SHEET,
    OURS,
    QUOTA,
    THEIRS,
    sheet,
    versions,
)
from tests.steps.conftest import Script

NEWER = sheet({"user_version": "10.0.0", "user_desc": "theirs"}, "auditing", 7654321)
ENDED = [sheet(FOREIGN, status) for status in ("withdrawn", "approved", "rejected")]
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
        return script.commits(*looks, sheets=sheets, said=0 if goes_on else None, withdraw=True, **more)
    sheets = (*sheets, IN_AUDIT) if goes_on else sheets  # a submission reads its own one back
    how = Submission(withdraw_foreign_audit=True)
    return script.submits(*sheets, how=how, said=ACCEPTED if goes_on else None, **more)


@both
@pytest.mark.parametrize("status", ["auditing", "delayed"])
def test_a_foreign_sheet_in_audit_is_withdrawn_when_asked_for_and_named(script: Script, make: str, status: int) -> None:
    foreign, withdrawn = sheet(FOREIGN, status), sheet(FOREIGN, "withdrawn")
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
        script.submits(THEIRS, how=how, said=None, trial="unasked", quota=QUOTA | {"rest": 0})
    with pytest.raises(WxaStateError, match="the trial version is not the one"):
        script.submits(THEIRS, how=how, said=None, trial=FOREIGN)


@both
def test_our_own_sheet_is_never_withdrawn(script: Script, make: str) -> None:
    if make == "commit":
        meets(script, make, IN_AUDIT)
    else:
        how = Submission(withdraw_foreign_audit=True)
        script.submits(IN_AUDIT, how=how, said=None, trial="unasked", quota=None)
    assert "undocodeaudit" not in script.asked
    assert script.counted == []


@both
@pytest.mark.parametrize("newer", ["ours", "theirs", "none"])
def test_behind_the_fence_another_sheet_than_the_one_seen_before_it_is_not_withdrawn(
    script: Script, make: str, newer: str
) -> None:
    seen = {"none": NO_SHEET, "ours": sheet(OURS, "auditing", 7654321), "theirs": NEWER}[newer]
    with pytest.raises(WxaStateError, match=r"in audit 10\.0\.0") if newer == "theirs" else nullcontext():
        meets(script, make, THEIRS, seen, goes_on=newer == "none")
    assert script.counted == [Left("undocodeaudit", APPID)]
    assert "undocodeaudit" not in script.asked


@both
@pytest.mark.parametrize(
    ("undo", "after"),
    [*[(LOST, sheet) for sheet in (NO_SHEET, *ENDED)], (87012, sheet(FOREIGN, "approved"))],
)
def test_a_lost_answer_is_read_back_instead_of_withdrawn_again_and_so_is_a_review_that_ended_before_it(
    script: Script, make: str, undo: Any, after: Any
) -> None:
    outcome = meets(script, make, THEIRS, THEIRS, after, undo=undo, goes_on=True)
    assert outcome.superseded == (None if after == NO_SHEET else "9.9.9")
    assert script.asked.count("undocodeaudit") == 1


@both
@pytest.mark.parametrize(
    ("undo", "after", "kind", "told"),
    [
        (LOST, [THEIRS], WxaTransportError, "got no answer"),  # before its work
        (-1, [THEIRS], WxaBusyError, "undocodeaudit refused.*\n.*errcode -1"),
        (87012, [THEIRS], WxaStateError, "undocodeaudit refused.*\n.*errcode 87012"),
        *[(said, [NEWER], WxaStateError, r"stopped: another version.*\n.*in audit 10\.0\.0") for said in (0, 87012)],
        (61007, [], WxaPermissionError, "61007"),  # someone must permit it
    ],
)
def test_a_withdrawal_that_leaves_a_sheet_in_audit_says_why(
    script: Script, make: str, undo: Any, after: Any, kind: type[WxaError], told: str
) -> None:
    with pytest.raises(kind, match=told) as raised:
        meets(script, make, THEIRS, THEIRS, *after, undo=undo)
    assert (raised.value is LOST) == (undo is LOST)


def test_a_review_that_ended_before_its_own_withdrawal_is_named_instead_of_what_was_refused(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"sheet 1234567 is not the one in audit\n[\s\S]*status approved"):
        script.play(withdraw_audit(APPID, "1234567"), sheets=[IN_AUDIT, APPROVED], undocodeaudit=87012)


@both
def test_a_sheet_that_may_be_ours_is_never_withdrawn(make: str, script: Script) -> None:
    with pytest.raises(WxaStateError, match="is in audit"):
        meets(script, make, sheet(OURS | {"user_desc": ""}, "auditing"))
    assert "undocodeaudit" not in script.asked


@both
def test_a_sheet_of_ours_that_a_newer_attempt_submitted_meanwhile_is_kept(make: str, script: Script) -> None:
    outcome = meets(script, make, THEIRS, THEIRS, IN_AUDIT, undo=0)
    assert outcome.outcome in {"unchanged", "adopted"}

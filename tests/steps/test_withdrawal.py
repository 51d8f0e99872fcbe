"""Somebody else's sheet in audit: withdrawn only when asked for and when some withdrawals are left."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaPermissionError, WxaQuotaError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import CommitOutcome, Left, Submission, SubmitOutcome, withdraw_audit
from tests.steps.answers import APPROVED, FOREIGN, IN_AUDIT, LOST, NO_SHEET, OPEN, OURS, QUOTA, THEIRS, sheet, versions
from tests.steps.conftest import Ending, Script, done, stops

NEWER = sheet({"user_version": "10.0.0", "user_desc": "theirs"}, "auditing", 7654321)
ENDED = [sheet(FOREIGN, status) for status in ("withdrawn", "approved", "rejected")]
WITHDRAWS: dict[str, Any] = {"how": Submission(withdraw_foreign_audit=True)}
#: The foreign sheet is out of the way by then, so that the step comes to its end.
GOES_ON: dict[str, Any] = {"goes_on": True}
SUPERSEDES, KEEPS = done("committed", "submitted", superseded="9.9.9"), done("unchanged", "adopted")
IS_IN_AUDIT = r"stopped: another version.*\n.*in audit 10\.0\.0"


def meets(
    script: Script, make: str, *sheets: Any, undo: Any = None, goes_on: bool = False, left: int = 1
) -> CommitOutcome | SubmitOutcome:
    """Commit or submit while these sheets are seen, look by look; ``undo`` is said to its withdrawal."""
    more: dict[str, Any] = {"left": left} | ({} if undo is None else {"undocodeaudit": undo})
    more |= {} if goes_on else {"said": None}
    if make == "commit":
        looks = [versions(), versions(OURS)] if goes_on else [versions()]
        return script.commits(*looks, sheets=sheets, withdraw=True, **more)
    sheets = (*sheets, IN_AUDIT) if goes_on else sheets  # a submission reads its own one back
    more |= {"trial": "unasked", "quota": None} if sheets == (IN_AUDIT,) else {}  # it is adopted at once
    return script.submits(*sheets, **WITHDRAWS, **more)


#: The latest sheet, look by look: first, behind the fence, and behind the withdrawal; what else; and how it ends.
SEEN: list[tuple[list[Any], Any, Ending]] = [
    *[([sheet(FOREIGN, each), sheet(FOREIGN, each), ENDED[0]], GOES_ON | {"undo": 0}, SUPERSEDES) for each in OPEN],
    *[
        ([THEIRS, THEIRS], {"left": left}, stops(WxaQuotaError, "not sent", "9.9.9, auditid 1234567", errcode=87013))
        for left in (0, -1)
    ],
    # Our own sheet, or one that may be ours, is never withdrawn.
    ([IN_AUDIT], {}, KEEPS),
    ([sheet(OURS | {"user_desc": ""}, "auditing")], {}, stops(WxaStateError, "is in audit")),
    ([THEIRS, THEIRS, IN_AUDIT], {"undo": 0}, KEEPS),  # a newer attempt has submitted it meanwhile
    # Behind the fence another sheet than the one seen before it is not withdrawn.
    ([THEIRS, NO_SHEET], GOES_ON, done("committed", "submitted", superseded=None)),
    ([THEIRS, sheet(OURS, "auditing", 7654321)], {}, KEEPS),
    ([THEIRS, NEWER], {}, stops(WxaStateError, IS_IN_AUDIT)),
    # A lost answer is read back instead of withdrawn again, and so is a review that ended before it.
    ([THEIRS, THEIRS, NO_SHEET], GOES_ON | {"undo": LOST}, done("committed", "submitted", superseded=None)),
    *[([THEIRS, THEIRS, each], GOES_ON | {"undo": LOST}, SUPERSEDES) for each in ENDED],
    ([THEIRS, THEIRS, ENDED[1]], GOES_ON | {"undo": 87012}, SUPERSEDES),
    # A withdrawal that leaves a sheet in audit says why.
    ([THEIRS] * 3, {"undo": LOST}, stops(LOST)),  # before its work
    ([THEIRS] * 3, {"undo": -1}, stops(WxaBusyError, "undocodeaudit refused", errcode=-1)),
    ([THEIRS] * 3, {"undo": 87012}, stops(WxaStateError, "undocodeaudit refused", errcode=87012)),
    *[([THEIRS, THEIRS, NEWER], {"undo": said}, stops(WxaStateError, IS_IN_AUDIT)) for said in (0, 87012)],
    ([THEIRS, THEIRS], {"undo": 61007}, stops(WxaPermissionError, errcode=61007)),  # someone must permit it
]


@pytest.mark.parametrize("make", ["commit", "submit_audit"])
@pytest.mark.parametrize(("sheets", "more", "ending"), SEEN)
def test_a_foreign_sheet_is_withdrawn_once(script: Script, make: str, sheets: Any, more: Any, ending: Ending) -> None:
    ending(lambda: meets(script, make, *sheets, **more))
    assert [each for each in script.questions if isinstance(each, Left)] == [Left("undocodeaudit", APPID)] * (
        sheets[0]["user_version"] == "9.9.9"
    )
    withdrawals = [call.before for call in script.calls if call.endpoint.name == "undocodeaudit"]
    assert withdrawals == [{"in audit": "9.9.9", "auditid": "1234567"}] * ("undo" in more)


def test_nothing_is_withdrawn_for_a_submission_without_quota_or_our_version_on_trial(script: Script) -> None:
    with pytest.raises(WxaQuotaError, match="submit_audit not sent"):
        script.submits(THEIRS, **WITHDRAWS, said=None, trial="unasked", quota=QUOTA | {"rest": 0})
    with pytest.raises(WxaStateError, match="the trial version is not the one"):
        script.submits(THEIRS, **WITHDRAWS, said=None, trial=FOREIGN)


def test_a_review_that_ended_before_its_own_withdrawal_is_named_instead_of_what_was_refused(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"sheet 1234567 is not the one in audit\n[\s\S]*status approved"):
        script.play(withdraw_audit(APPID, "1234567"), sheets=[IN_AUDIT, APPROVED], undocodeaudit=87012)


@pytest.mark.parametrize("left", [0, -1])
def test_used_up_withdrawals_are_not_tried_for_ones_own_sheet_either(script: Script, left: int) -> None:
    ending = stops(WxaQuotaError, "undocodeaudit not sent", errcode=87013)
    ending(lambda: script.play(withdraw_audit(APPID, "1234567"), sheets=IN_AUDIT, left=left))

"""Submitting: one sheet, ours, adopted where it is there already; then where its review stands."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaAuditRejected, WxaBusyError, WxaError, WxaInputError, WxaQuotaError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import AuditOutcome, Submission, SubmitOutcome, audit_error, audit_seen, audit_status
from tests.steps import answers
from tests.steps.answers import ACCEPTED, ENDED, FOREIGN, IN_AUDIT, LIVE, LOST, NO_SHEET, OPEN, OURS, QUOTA, sheet
from tests.steps.conftest import Ending, Script, done, stops

NAMELESS = OURS | {"user_desc": ""}
CLEAR = {"errcode": 0, "without_auth_list": [], "without_conf_list": []}
LOCATION = ["wx.getLocation"]


def test_our_trial_is_submitted_and_the_auditid_is_text(script: Script) -> None:
    outcome = script.submits(NO_SHEET, IN_AUDIT, how=Submission(version_desc="demo 1/1", privacy_api_not_use=True))
    assert outcome == SubmitOutcome("submitted", APPID, "1.4.0", "1234567", quota={"rest": 8, "limit": 27})
    assert script.bodies("submit_audit") == [{"version_desc": "demo 1/1", "privacy_api_not_use": True}]
    reads = ["get_latest_auditstatus", "queryquota", "getversioninfo"]
    assert script.asked == [*reads, "submit_audit", "get_latest_auditstatus"]


AS_FOUND: dict[str, Any] = {"said": None, "trial": "unasked", "quota": None}
UNSENT: dict[str, Any] = {"said": None}
SUBMITTED, ADOPTED = done("submitted", auditid="1234567", superseded=None), done("adopted", auditid="1234567")
THEIR_SHEET = stops(WxaStateError, r"another version of this Mini Program[^,]*\n.*in audit 9\.9\.9", retryable=False)
OURS_BY_NAME = stops(WxaStateError, r"in audit 1\.4\.0", retryable=False)


def reserve(rest: int, limit: str = "27", **how: Any) -> tuple[list[Any], Any, Any]:
    """Return what is seen where a reserve stops a submission."""
    told = rf"not sent: the platform's audit quota is at the[\s\S]*rest {rest}, limit {limit}, reserve 5"
    quota = {"quota": None} if how else {"quota": QUOTA | {"rest": rest}}
    more = UNSENT | {"how": Submission(quota_reserve=5, **how), "trial": "unasked"} | quota
    return [NO_SHEET], more, stops(WxaQuotaError, told)


#: What WeChat shows, sheet by sheet, and else; and how the submission ends.
SUBMISSIONS: list[tuple[list[Any], Any, Ending]] = [
    # A live sheet that carries our fingerprint, or has the noted number, is adopted.
    *[([sheet(OURS, each, 777)], AS_FOUND, done("adopted", auditid="777")) for each in LIVE],
    *[
        ([sheet(NAMELESS, each, 777)], AS_FOUND | {"how": Submission(noted_auditid="777")}, done("adopted"))
        for each in LIVE
    ],
    # A sheet that has ended is superseded, and a foreign one is named.
    *[([sheet(OURS, each), IN_AUDIT], {}, SUBMITTED) for each in ENDED],
    *[([sheet(FOREIGN, each), IN_AUDIT], {}, done("submitted", superseded="9.9.9")) for each in ("approved", *ENDED)],
    # A quota that reads used up stops nothing without a reserve, nor does one that cannot be read.
    *[([NO_SHEET, IN_AUDIT], {"quota": QUOTA | {"rest": rest}}, SUBMITTED) for rest in (0, -1)],
    *[([NO_SHEET, IN_AUDIT], {"quota": quota}, SUBMITTED) for quota in (-1, 48001)],
    ([NO_SHEET, IN_AUDIT], {"how": Submission(quota_reserve=7)}, SUBMITTED),  # one above the reserve
    ([NO_SHEET, IN_AUDIT], {"how": Submission(quota_reserve=5, audit_quota=6), "quota": None}, SUBMITTED),
    *[reserve(rest) for rest in (5, 4, 0)],
    reserve(5, "unknown", audit_quota=5),
    # A sheet that cannot be compared yet is taken by the number that we were answered.
    ([NO_SHEET, *[NO_SHEET] * 6], {}, SUBMITTED),
    ([NO_SHEET, sheet(FOREIGN, "auditing", 7654321)], {}, SUBMITTED),
    ([NO_SHEET, sheet(NAMELESS, "auditing")], {}, SUBMITTED),
    # Somebody else's sheet or trial stops it.
    *[([sheet(FOREIGN, each)], UNSENT, THEIR_SHEET) for each in OPEN],
    *[
        (
            [NO_SHEET],
            UNSENT | {"trial": trial},
            stops(WxaStateError, f"the trial version is not the one{told}", retryable=False),
        )
        for trial, told in ((None, r"[\s\S]*trial version none"), (FOREIGN, r"[\s\S]*trial version 9\.9\.9"))
    ],
    (
        [NO_SHEET],
        UNSENT | {"trial": answers.FORGED},
        stops(WxaStateError, "trial version" + answers.NAMES_FORGED, retryable=False),
    ),
    ([NO_SHEET], UNSENT | {"trial": NAMELESS}, stops(WxaStateError, r"left out[\s\S]*nothing proves whose version it")),
    *[
        ([sheet(NAMELESS, "auditing")], UNSENT | {"how": Submission(noted_auditid=noted)}, OURS_BY_NAME)
        for noted in ("", "7654321")
    ],
    # After a lost answer, or 85009, the sheet is read back: it is ours, somebody else's, or none.
    *[([NO_SHEET, IN_AUDIT], {"said": said}, ADOPTED) for said in (LOST, 85009)],
    *[
        ([NO_SHEET, each], {"said": LOST}, stops(LOST))
        for each in (NO_SHEET, sheet(FOREIGN, "auditing"), sheet(OURS, "rejected"))
    ],
    *[
        ([NO_SHEET, sheet(FOREIGN, each)], {"said": said}, THEIR_SHEET)
        for each in OPEN
        for said in (85009, ACCEPTED)  # accepted: they committed between our look and our submission
    ],
    # Any other code stands as itself; 85085 says what queryquota had told.
    *[([NO_SHEET] * 2, {"said": code}, stops(WxaBusyError, errcode=code)) for code in (61039, -1)],
    ([NO_SHEET] * 2, {"said": 85086}, stops(WxaStateError, errcode=85086)),
    ([NO_SHEET], {"said": 85010}, stops(WxaInputError, errcode=85010)),  # it is raised at once
    ([NO_SHEET], {"said": 85085}, stops(WxaQuotaError, "queryquota told rest 8 of limit 27", errcode=85085)),
    # Reported once by a developer: 85009 from submit_audit and 85058 from get_latest_auditstatus together.
    *[
        (
            [NO_SHEET, *[seen] * 6],
            {"said": 85009},
            stops(WxaBusyError, "85009: a sheet is in audit", word, retryable=True),
        )
        for seen, word in (
            (NO_SHEET, "no sheet"),
            (sheet(OURS, "rejected"), "rejected"),
            (sheet(FOREIGN, "rejected"), "rejected"),
        )
    ],
]


@pytest.mark.parametrize(("sheets", "more", "ending"), SUBMISSIONS)
def test_a_version_is_submitted_once_or_said_why_not(script: Script, sheets: Any, more: Any, ending: Ending) -> None:
    ended = ending(lambda: script.submits(*sheets, **more))
    assert ended.__cause__.errcode == 85009 if ending is THEIR_SHEET and more["said"] == 85009 else True
    assert ended is LOST or not isinstance(ended, WxaError) or str(ended).startswith("submit_audit ")
    assert sum(script.pauses) == (30 if len(sheets) > 2 else 0)


CURE = r"\n  apply for the right with WxaApplyPrivacyInterfaceOperator, or take"


#: Whether "not used" was declared, what the privacy scan tells behind 61040, and what of it is said.
SCANS = [
    (
        False,
        CLEAR | {"without_conf_list": LOCATION},
        r"wx\.getLocation[\s\S]*if the code truly does not use",
    ),
    # Where "not used" was declared, what can cure it is advised.
    *((True, scan, CURE) for scan in (CLEAR, CLEAR | {"without_auth_list": LOCATION}, -1)),
    # It stands as itself where the scan tells no interface.
    *((False, scan, "submit_audit refused") for scan in (CLEAR, -1, 61039, LOST)),
]


@pytest.mark.parametrize(("not_used", "scan", "told"), SCANS)
def test_61040_names_the_interfaces_and_what_can_cure_it(script: Script, not_used: bool, scan: Any, told: str) -> None:
    with pytest.raises(WxaInputError, match=told) as raised:
        script.submits(NO_SHEET, how=Submission(privacy_api_not_use=not_used), said=61040, scan=scan)
    assert raised.value.errcode == 61040
    assert not not_used or "set privacy_api_not_use" not in str(raised.value)


@pytest.mark.parametrize("word", ["approved", "rejected", "auditing", "withdrawn", "delayed"])
def test_a_review_is_looked_at_once(script: Script, word: Any) -> None:
    answer = sheet({"reason": "1: one<br>2: two", "ScreenShot": "m1|m2"}, word)
    outcome = script.play(audit_status(APPID, "1234567"), status=answer)
    assert outcome == AuditOutcome(word, APPID, "1234567", "1: one\n2: two", ("m1", "m2"))
    assert script.bodies("get_auditstatus") == [{"auditid": 1234567}]


def test_a_rejection_is_an_error_that_carries_reason_and_screenshots() -> None:
    error = audit_error(AuditOutcome("rejected", APPID, "7", reason="1: wrong category", screenshot=("m1", "m2")))
    assert isinstance(error, WxaAuditRejected)
    assert (error.reason, error.screenshot, error.appid) == ("1: wrong category", ("m1", "m2"), APPID)
    assert str(error).splitlines()[1:6] == [
        f"  appid {APPID}, auditid 7",
        "  the reviewer's reason:",
        "    1: wrong category",
        "  screenshot m1: get_material has it",
        "  screenshot m2: get_material has it",
    ]
    assert not error.retryable


def test_other_ends_of_a_review_are_errors_only_where_somebody_must_act() -> None:
    assert "    none given" in str(audit_error(AuditOutcome("rejected", APPID, "7"))).splitlines()
    error = audit_error(AuditOutcome("withdrawn", APPID, "7"))
    assert isinstance(error, WxaStateError)
    assert "auditid 7" in str(error)
    assert "undocodeaudit" in str(error)
    for word in ("approved", "delayed", "auditing"):
        assert audit_error(AuditOutcome(word, APPID, "7")) is None


SEEN = {"auditid": "7", "user_version": "1.4.0", "status": "approved", "submit_audit_time": 100}
NEWER = SEEN | {"auditid": "8", "status": "auditing", "submit_audit_time": 110}
NUMBERLESS = SEEN | {"auditid": ""}


#: What was remembered, what is shown now, and what is remembered then.
LOOKS = [
    (None, None, {}),
    *[(before, (7, "approved", 100), SEEN) for before in (None, {}, *(SEEN | {"status": each} for each in OPEN))],
    # A replica that lags: what has ended does not go on.
    *[(SEEN, shown, SEEN) for shown in ((7, "auditing", 100), (7, "delayed", 100), None, (6, "rejected", 90))],
    (SEEN, (8, "auditing", 110), NEWER),
    (SEEN, (8, "auditing", 0), NEWER | {"submit_audit_time": 0}),
    # WeChat leaves its number out.
    (NUMBERLESS, (None, "auditing", 100), NUMBERLESS),
    (NUMBERLESS, (None, "auditing", 110), NEWER | {"auditid": ""}),
]


@pytest.mark.parametrize(("before", "shown", "remembered"), LOOKS)
def test_what_is_remembered_of_an_audit_only_moves_on(script: Script, before: Any, shown: Any, remembered: Any) -> None:
    answer: Any = NO_SHEET
    if shown:
        auditid, status, submitted = shown
        answer = sheet({"user_version": "1.4.0"}, status, auditid) | {"submit_audit_time": submitted}
    assert script.play(audit_seen(APPID, before), sheets=answer) == remembered

"""Submitting: one sheet, ours, adopted where it is there already; then where its review stands."""

from typing import Any

import pytest

from airflow_wxa.errors import (
    WxaAuditRejected,
    WxaBusyError,
    WxaError,
    WxaInputError,
    WxaQuotaError,
    WxaStateError,
    WxaTransportError,
)
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import (
    AuditOutcome,
    Submission,
    audit_error,
    audit_seen,
    audit_status,
)
from tests.steps.answers import (
    ACCEPTED,
    APPROVED,
    AUDITING,
    DELAYED,
    FOREIGN,
    IN_AUDIT,
    LOST,
    NO_SHEET,
    OURS,
    QUOTA,
    REJECTED,
    WITHDRAWN,
    a_sheet,
    submits,
)
from tests.steps.conftest import Script

NAMELESS = OURS | {"user_desc": ""}
CLEAR = {"errcode": 0, "without_auth_list": [], "without_conf_list": []}
LOCATION = ["wx.getLocation"]


def test_our_trial_is_submitted_and_the_auditid_is_text(script: Script) -> None:
    outcome = submits(script, NO_SHEET, IN_AUDIT, how=Submission(version_desc="demo 1/1", privacy_api_not_use=True))
    assert outcome.to_json() == {
        "outcome": "submitted",
        "appid": APPID,
        "user_version": "1.4.0",
        "auditid": "1234567",
        "superseded": None,
        "quota": {"rest": QUOTA["rest"], "limit": QUOTA["limit"]},
    }
    assert script.bodies("submit_audit") == [{"version_desc": "demo 1/1", "privacy_api_not_use": True}]
    reads = ["get_latest_auditstatus", "queryquota", "getversioninfo"]
    assert script.asked == [*reads, "submit_audit", "get_latest_auditstatus"]


@pytest.mark.parametrize("status", [AUDITING, DELAYED, APPROVED])
@pytest.mark.parametrize("noted", ["", "777"])
def test_a_sheet_that_carries_our_fingerprint_or_has_the_noted_number_is_adopted(
    script: Script, status: int, noted: str
) -> None:
    sheet = a_sheet(NAMELESS if noted else OURS, status, auditid=777)
    outcome = submits(script, sheet, how=Submission(noted_auditid=noted), said=None, trial="unasked", quota=None)
    assert (outcome.outcome, outcome.auditid) == ("adopted", "777")


@pytest.mark.parametrize(
    ("sheets", "how", "superseded"),
    [
        *(([a_sheet(OURS, status), IN_AUDIT], {}, None) for status in (REJECTED, WITHDRAWN)),
        *(([a_sheet(FOREIGN, status), IN_AUDIT], {}, "9.9.9") for status in (APPROVED, REJECTED, WITHDRAWN)),
        # A quota that reads used up stops nothing without a reserve, nor does one that cannot be read.
        *(([NO_SHEET, IN_AUDIT], {"quota": QUOTA | {"rest": rest}}, None) for rest in (0, -1)),
        *(([NO_SHEET, IN_AUDIT], {"quota": quota}, None) for quota in (-1, 48001)),
        ([NO_SHEET, IN_AUDIT], {"how": Submission(quota_reserve=7)}, None),  # one above the reserve
        ([NO_SHEET, IN_AUDIT], {"how": Submission(quota_reserve=5, audit_quota=6), "quota": None}, None),
        # A sheet that cannot be compared yet is taken by the number that we were answered.
        ([NO_SHEET, *[NO_SHEET] * 6], {}, None),
        ([NO_SHEET, a_sheet(FOREIGN, AUDITING) | {"auditid": 7654321}], {}, None),
        ([NO_SHEET, a_sheet(NAMELESS, AUDITING)], {}, None),
    ],
)
def test_a_version_is_submitted_anew_and_supersedes_a_foreign_sheet_that_has_ended(
    script: Script, sheets: Any, how: Any, superseded: str | None
) -> None:
    outcome = submits(script, *sheets, **how)
    assert (outcome.outcome, outcome.auditid, outcome.superseded) == ("submitted", "1234567", superseded)


RESERVE: dict[str, Any] = {"how": Submission(quota_reserve=5), "trial": "unasked"}
#: What stops a submission and is named → the latest sheet, and what else WeChat shows.
STOPPED: list[tuple[str, Any, Any]] = [
    *[
        (r"stopped: another version of this Mini Program[^,]*\n.*in audit 9\.9\.9", a_sheet(FOREIGN, status), {})
        for status in (AUDITING, DELAYED)
    ],
    (r"the trial version is not the one[\s\S]*trial version none", NO_SHEET, {"trial": None}),
    (r"the trial version is not the one[\s\S]*trial version 9\.9\.9", NO_SHEET, {"trial": FOREIGN}),
    (r"its description left out[\s\S]*nothing proves whose version it is", NO_SHEET, {"trial": NAMELESS}),
    *[
        (r"in audit 1\.4\.0", a_sheet(NAMELESS, AUDITING), {"how": Submission(noted_auditid=noted)})
        for noted in ("", "7654321")
    ],
    *[
        (
            rf"not sent: the platform's audit quota is at the[\s\S]*rest {rest}, limit 27, reserve 5",
            NO_SHEET,
            RESERVE | {"quota": QUOTA | {"rest": rest}},
        )
        for rest in (5, 4, 0)
    ],
    (
        r"audit quota[\s\S]*rest 5, limit unknown, reserve 5",
        NO_SHEET,
        RESERVE | {"how": Submission(quota_reserve=5, audit_quota=5), "quota": None},
    ),
]


@pytest.mark.parametrize(("told", "sheet", "how"), STOPPED)
def test_somebody_elses_sheet_or_trial_and_a_reserve_stop_the_submission_and_are_named(
    script: Script, told: str, sheet: Any, how: Any
) -> None:
    is_quota = "quota" in told
    with pytest.raises(WxaQuotaError if is_quota else WxaStateError, match=told) as raised:
        submits(script, sheet, said=None, **how)
    assert str(raised.value).startswith("submit_audit ")
    assert not raised.value.retryable or is_quota


def test_85085_decides_and_says_what_queryquota_had_told(script: Script) -> None:
    with pytest.raises(WxaQuotaError, match=r"submit_audit refused[\s\S]*queryquota told rest 8 of limit 27") as raised:
        submits(script, NO_SHEET, said=85085)
    assert raised.value.errcode == 85085


@pytest.mark.parametrize("said", [LOST, 85009])
def test_after_a_lost_answer_our_sheet_is_adopted(script: Script, said: Any) -> None:
    outcome = submits(script, NO_SHEET, IN_AUDIT, said=said)
    assert (outcome.outcome, outcome.auditid) == ("adopted", "1234567")
    assert script.asked.count("submit_audit") == 1


@pytest.mark.parametrize(
    ("sheet", "said", "error", "errcode"),
    [
        *(
            (sheet, LOST, WxaTransportError, None)
            for sheet in (NO_SHEET, a_sheet(FOREIGN, AUDITING), a_sheet(OURS, REJECTED))
        ),
        *((NO_SHEET, errcode, WxaBusyError, errcode) for errcode in (61039, -1)),
        (NO_SHEET, 85086, WxaStateError, 85086),
    ],
)
def test_a_submission_without_a_sheet_of_ours_behind_it_is_what_wechat_said(
    script: Script, sheet: Any, said: Any, error: type[WxaError], errcode: int | None
) -> None:
    with pytest.raises(error) as raised:
        submits(script, NO_SHEET, sheet, said=said)
    assert (raised.value is LOST, getattr(raised.value, "errcode", None)) == (said is LOST, errcode)


@pytest.mark.parametrize("status", [AUDITING, DELAYED])
@pytest.mark.parametrize("said", [85009, ACCEPTED])  # accepted: they committed between our look and our submission
def test_a_foreign_sheet_behind_our_submission_is_named(script: Script, status: int, said: Any) -> None:
    with pytest.raises(WxaStateError, match=r"another version .* is in audit(.|\n)*in audit 9\.9\.9") as raised:
        submits(script, NO_SHEET, a_sheet(FOREIGN, status), said=said)
    assert getattr(raised.value.__cause__, "errcode", None) == (85009 if said == 85009 else None)


@pytest.mark.parametrize("said", [None, OURS, FOREIGN])
def test_85009_without_an_open_sheet_is_read_again_and_then_left_to_a_retry(script: Script, said: Any) -> None:
    # Reported once by a developer: 85009 from submit_audit and 85058 from get_latest_auditstatus together.
    sheet = a_sheet(said, REJECTED) if said else NO_SHEET
    with pytest.raises(WxaBusyError, match="85009: a sheet is in audit") as raised:
        submits(script, NO_SHEET, *[sheet] * 6, said=85009)
    assert raised.value.retryable
    assert sum(script.pauses) == 30
    assert ("rejected" if said else "no sheet") in str(raised.value)


def test_a_submission_that_someone_must_fix_is_raised_at_once(script: Script) -> None:
    with pytest.raises(WxaInputError, match="85010"):
        submits(script, NO_SHEET, said=85010)
    assert script.asked[-1] == "submit_audit"


CURE = r"\n  apply for the right with WxaApplyPrivacyInterfaceOperator, or take"


@pytest.mark.parametrize(
    ("not_used", "scan", "told"),
    [
        (
            False,
            CLEAR | {"without_conf_list": LOCATION},
            r"wx\.getLocation[\s\S]*if the code truly does not use",
        ),
        # Where "not used" was declared, what can cure it is advised.
        *((True, scan, CURE) for scan in (CLEAR, CLEAR | {"without_auth_list": LOCATION}, -1)),
        # It stands as itself where the scan tells no interface.
        *((False, scan, "submit_audit refused") for scan in (CLEAR, -1, 61039, LOST)),
    ],
)
def test_61040_names_the_interfaces_and_although_not_used_was_declared_what_can_cure_it(
    script: Script, not_used: bool, scan: Any, told: str
) -> None:
    with pytest.raises(WxaInputError, match=told) as raised:
        submits(script, NO_SHEET, how=Submission(privacy_api_not_use=not_used), said=61040, scan=scan)
    assert raised.value.errcode == 61040
    assert not not_used or "set privacy_api_not_use" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "word"),
    [(0, "approved"), (1, "rejected"), (2, "auditing"), (3, "withdrawn"), (4, "delayed")],
)
def test_a_review_is_looked_at_once(script: Script, status: int, word: str) -> None:
    answer = {"errcode": 0, "status": status, "reason": "1: one<br>2: two", "ScreenShot": "m1|m2"}
    outcome = script.play(audit_status(APPID, "1234567"), get_auditstatus=[answer])
    assert outcome.to_json() == {
        "outcome": word,
        "appid": APPID,
        "auditid": "1234567",
        "reason": "1: one\n2: two",
        "screenshot": ["m1", "m2"],
    }
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


@pytest.mark.parametrize(
    ("before", "shown", "remembered"),
    [
        (None, NO_SHEET, {}),
        (None, (7, APPROVED, 100), SEEN),
        ({}, (7, APPROVED, 100), SEEN),
        (SEEN | {"status": "auditing"}, (7, APPROVED, 100), SEEN),
        (SEEN | {"status": "delayed"}, (7, APPROVED, 100), SEEN),
        (SEEN, (7, AUDITING, 100), SEEN),  # a replica that lags: what has ended does not go on
        (SEEN, (7, DELAYED, 100), SEEN),
        (SEEN, NO_SHEET, SEEN),
        (SEEN, (6, REJECTED, 90), SEEN),
        (SEEN, (8, AUDITING, 110), SEEN | {"auditid": "8", "status": "auditing", "submit_audit_time": 110}),
        (SEEN, (8, AUDITING, 0), SEEN | {"auditid": "8", "status": "auditing", "submit_audit_time": 0}),
        (SEEN | {"auditid": ""}, (None, AUDITING, 100), SEEN | {"auditid": ""}),  # its number is left out
        (
            SEEN | {"auditid": ""},
            (None, AUDITING, 110),
            SEEN | {"auditid": "", "status": "auditing", "submit_audit_time": 110},
        ),
    ],
)
def test_what_is_remembered_of_an_audit_only_moves_on(
    script: Script, before: dict[str, Any] | None, shown: Any, remembered: dict[str, Any]
) -> None:
    if shown != NO_SHEET:
        auditid, status, submitted = shown
        shown = {"errcode": 0, "auditid": auditid, "status": status, "user_version": "1.4.0"}
        shown["submit_audit_time"] = submitted
    assert script.play(audit_seen(APPID, before), get_latest_auditstatus=[shown]) == remembered

"""Submitting: one sheet, ours, adopted where it is there already; then where its review stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.errors import (
    WxaAuditRejected,
    WxaBusyError,
    WxaInputError,
    WxaQuotaError,
    WxaStateError,
    WxaTransportError,
)
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import AuditOutcome, Submission, audit_error, audit_seen, audit_status, submit_version
from tests.steps.answers import (
    ACCEPTED,
    APPROVED,
    AUDITING,
    DELAYED,
    FOREIGN,
    NO_SHEET,
    OURS,
    QUOTA,
    REJECTED,
    VERSION,
    WITHDRAWN,
    a_sheet,
    to_submit_audit,
    versions,
)

if TYPE_CHECKING:
    from tests.steps.conftest import Script


def test_our_trial_is_submitted_and_the_auditid_is_text(script: Script) -> None:
    outcome = script.play(
        submit_version(VERSION, Submission(version_desc="demo 1/1", privacy_api_not_use=True)),
        **to_submit_audit(NO_SHEET, a_sheet(OURS, AUDITING)),
    )
    assert outcome.to_json() == {
        "outcome": "submitted",
        "appid": APPID,
        "user_version": "1.4.0",
        "auditid": "1234567",
        "superseded": None,
        "quota": {"rest": QUOTA["rest"], "limit": QUOTA["limit"]},
    }
    assert script.bodies("submit_audit") == [{"version_desc": "demo 1/1", "privacy_api_not_use": True}]
    assert script.asked == [
        "get_latest_auditstatus",
        "queryquota",
        "getversioninfo",
        "submit_audit",
        "get_latest_auditstatus",
    ]


@pytest.mark.parametrize("status", [AUDITING, DELAYED, APPROVED])
def test_a_sheet_that_carries_our_fingerprint_is_adopted(script: Script, status: int) -> None:
    outcome = script.play(submit_version(VERSION), get_latest_auditstatus=[a_sheet(OURS, status, auditid=777)])
    assert (outcome.outcome, outcome.auditid) == ("adopted", "777")
    assert script.asked == ["get_latest_auditstatus"]


@pytest.mark.parametrize("status", [REJECTED, WITHDRAWN])
def test_our_sheet_that_ended_badly_is_submitted_anew(script: Script, status: int) -> None:
    outcome = script.play(submit_version(VERSION), **to_submit_audit(a_sheet(OURS, status), a_sheet(OURS, AUDITING)))
    assert (outcome.outcome, outcome.superseded) == ("submitted", None)


@pytest.mark.parametrize("status", [APPROVED, REJECTED, WITHDRAWN])
def test_a_foreign_sheet_that_has_ended_is_superseded_and_named(script: Script, status: int) -> None:
    outcome = script.play(submit_version(VERSION), **to_submit_audit(a_sheet(FOREIGN, status), a_sheet(OURS, AUDITING)))
    assert (outcome.outcome, outcome.superseded) == ("submitted", "9.9.9")


@pytest.mark.parametrize("status", [AUDITING, DELAYED])
def test_a_foreign_sheet_in_audit_stops_the_submission_and_is_named(script: Script, status: int) -> None:
    with pytest.raises(WxaStateError, match="submit_audit stopped: another version of this Mini Program") as raised:
        script.play(
            submit_version(VERSION),
            get_latest_auditstatus=[a_sheet(FOREIGN, status)],
            queryquota=[QUOTA],
            getversioninfo=[versions(OURS)],
        )
    assert "in audit 9.9.9" in str(raised.value)
    assert not raised.value.retryable


@pytest.mark.parametrize("whose", [None, "foreign"])
def test_only_a_trial_with_our_fingerprint_is_submitted(script: Script, whose: str | None) -> None:
    trial = versions(FOREIGN if whose else None)
    with pytest.raises(WxaStateError, match="submit_audit stopped: the trial version is not the one") as raised:
        script.play(
            submit_version(VERSION),
            get_latest_auditstatus=[NO_SHEET],
            queryquota=[QUOTA],
            getversioninfo=[trial],
        )
    assert ("trial version 9.9.9" if whose else "trial version none") in str(raised.value)
    assert "submit_audit" not in script.asked


@pytest.mark.parametrize("rest", [0, -1])
def test_a_quota_that_reads_used_up_stops_nothing_without_a_reserve(script: Script, rest: int) -> None:
    outcome = script.play(
        submit_version(VERSION),
        get_latest_auditstatus=[NO_SHEET, a_sheet(OURS, AUDITING)],
        getversioninfo=[versions(OURS)],
        queryquota=[QUOTA | {"rest": rest}],
        submit_audit=[ACCEPTED],
    )
    assert outcome.outcome == "submitted"


def test_85085_decides_and_says_what_queryquota_had_told(script: Script) -> None:
    with pytest.raises(WxaQuotaError, match="queryquota told rest 8 of limit 27") as raised:
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, said=85085))
    assert raised.value.errcode == 85085


@pytest.mark.parametrize(("audit_quota", "submits"), [(6, True), (5, False)])
def test_a_given_quota_takes_the_place_of_what_queryquota_tells(
    script: Script, audit_quota: int, submits: bool
) -> None:
    step = submit_version(VERSION, Submission(quota_reserve=5, audit_quota=audit_quota))
    if not submits:
        with pytest.raises(WxaQuotaError, match="rest 5, limit unknown, reserve 5"):
            script.play(step, get_latest_auditstatus=[NO_SHEET])
        return
    script.play(
        step,
        get_latest_auditstatus=[NO_SHEET, a_sheet(OURS, AUDITING)],
        getversioninfo=[versions(OURS)],
        submit_audit=[ACCEPTED],
    )
    assert "queryquota" not in script.asked


@pytest.mark.parametrize("said", [-1, 48001, {"errcode": 0, "rest": 8, "limit": 27}])
def test_a_quota_that_cannot_be_read_stops_nothing(script: Script, said: int) -> None:
    outcome = script.play(
        submit_version(VERSION),
        get_latest_auditstatus=[NO_SHEET, a_sheet(OURS, AUDITING)],
        getversioninfo=[versions(OURS)],
        queryquota=[said],
        submit_audit=[ACCEPTED],
    )
    assert outcome.outcome == "submitted"


def test_85085_on_the_submission_itself_is_a_quota_error(script: Script) -> None:
    with pytest.raises(WxaQuotaError, match="submit_audit refused"):
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, said=85085))


def test_after_a_lost_answer_our_sheet_is_adopted(script: Script, lost: WxaTransportError) -> None:
    outcome = script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, a_sheet(OURS, AUDITING), said=lost))
    assert (outcome.outcome, outcome.auditid) == ("adopted", "1234567")
    assert script.asked.count("submit_audit") == 1


@pytest.mark.parametrize("sheet", [None, "foreign", "ours rejected"])
def test_a_submission_that_was_lost_before_its_work_is_a_transport_error(
    script: Script, lost: WxaTransportError, sheet: str | None
) -> None:
    sheets: dict[str | None, Any] = {
        None: NO_SHEET,
        "foreign": a_sheet(FOREIGN, AUDITING),
        "ours rejected": a_sheet(OURS, REJECTED),
    }
    with pytest.raises(WxaTransportError) as raised:
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, sheets[sheet], said=lost))
    assert raised.value is lost


def test_85009_for_our_own_sheet_is_adopted(script: Script) -> None:
    outcome = script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, a_sheet(OURS, AUDITING), said=85009))
    assert outcome.outcome == "adopted"


@pytest.mark.parametrize(
    ("status", "when"),
    [(AUDITING, "is in audit"), (DELAYED, "is in audit")],
)
def test_85009_for_a_foreign_sheet_names_it(script: Script, status: int, when: str) -> None:
    with pytest.raises(WxaStateError, match=rf"another version .* {when}(.|\n)*in audit 9\.9\.9") as raised:
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, a_sheet(FOREIGN, status), said=85009))
    assert isinstance(raised.value.__cause__, WxaStateError)
    assert raised.value.__cause__.errcode == 85009


@pytest.mark.parametrize("said", [None, OURS, FOREIGN])
def test_85009_without_an_open_sheet_is_read_again_and_then_left_to_a_retry(script: Script, said: Any) -> None:
    # Reported once by a developer: 85009 from submit_audit and 85058 from get_latest_auditstatus together.
    sheet = a_sheet(said, REJECTED) if said else NO_SHEET
    with pytest.raises(WxaBusyError, match="85009: a sheet is in audit") as raised:
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, *[sheet] * 6, said=85009))
    assert raised.value.retryable
    assert sum(script.pauses) == 30
    assert ("rejected" if said else "no sheet") in str(raised.value)


@pytest.mark.parametrize(("errcode", "cls"), [(61039, WxaBusyError), (-1, WxaBusyError), (85086, WxaStateError)])
def test_a_refusal_of_the_moment_is_read_back_and_then_raised(
    script: Script, errcode: int, cls: type[WxaStateError | WxaBusyError]
) -> None:
    with pytest.raises(cls) as raised:
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, NO_SHEET, said=errcode))
    assert raised.value.errcode == errcode


CLEAR = {"errcode": 0, "without_auth_list": [], "without_conf_list": []}


def test_a_submission_that_someone_must_fix_is_raised_at_once(script: Script) -> None:
    with pytest.raises(WxaInputError, match="85010"):
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, said=85010))
    assert script.asked[-1] == "submit_audit"


def test_61040_on_the_submission_names_the_interfaces(script: Script) -> None:
    with pytest.raises(WxaInputError, match=r"wx\.getLocation") as raised:
        script.play(
            submit_version(VERSION),
            **to_submit_audit(NO_SHEET, said=61040),
            get_code_privacy_info=[CLEAR | {"without_conf_list": ["wx.getLocation"]}],
        )
    assert raised.value.errcode == 61040
    assert "if the code truly does not use them, set privacy_api_not_use" in raised.value.next_step


@pytest.mark.parametrize("said", [CLEAR, CLEAR | {"without_auth_list": ["wx.getLocation"]}, -1])
def test_61040_although_not_used_was_declared_advises_what_can_cure_it(script: Script, said: Any) -> None:
    with pytest.raises(WxaInputError) as raised:
        script.play(
            submit_version(VERSION, Submission(privacy_api_not_use=True)),
            **to_submit_audit(NO_SHEET, said=61040),
            get_code_privacy_info=[said],
        )
    assert raised.value.next_step.startswith("apply for the right with WxaApplyPrivacyInterfaceOperator, or take")
    assert "set privacy_api_not_use" not in str(raised.value)


@pytest.mark.parametrize("said", [CLEAR, -1, 61039, WxaTransportError("lost")])
def test_61040_stands_as_itself_where_the_scan_tells_no_interface(script: Script, said: Any) -> None:
    with pytest.raises(WxaInputError, match="submit_audit refused") as raised:
        script.play(
            submit_version(VERSION),
            **to_submit_audit(NO_SHEET, said=61040),
            get_code_privacy_info=[said],
        )
    assert raised.value.errcode == 61040


@pytest.mark.parametrize("rest", [5, 4, 0])
def test_a_quota_at_the_reserve_is_kept_for_others(script: Script, rest: int) -> None:
    with pytest.raises(WxaQuotaError, match="submit_audit not sent: the platform's audit quota is at the") as raised:
        script.play(
            submit_version(VERSION, Submission(quota_reserve=5)),
            get_latest_auditstatus=[NO_SHEET],
            queryquota=[QUOTA | {"rest": rest}],
        )
    assert f"rest {rest}, limit 27, reserve 5" in str(raised.value)
    assert "submit_audit" not in script.asked


def test_one_above_the_reserve_is_submitted(script: Script) -> None:
    outcome = script.play(
        submit_version(VERSION, Submission(quota_reserve=7)), **to_submit_audit(NO_SHEET, a_sheet(OURS, AUDITING))
    )
    assert outcome.outcome == "submitted"


def test_a_commit_that_came_between_our_look_and_our_submission_is_named(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"submit_audit stopped.*\n.*in audit 9\.9\.9"):
        script.play(submit_version(VERSION), **to_submit_audit(NO_SHEET, a_sheet(FOREIGN, AUDITING)))


@pytest.mark.parametrize(
    "said",
    [NO_SHEET, {"auditid": 7654321}, {"user_desc": "", "user_version": "1.4.0"}],
    ids=["no sheet yet", "another number", "no description"],
)
def test_a_sheet_that_cannot_be_compared_yet_is_taken_by_the_number_we_were_answered(script: Script, said: Any) -> None:
    sheet = said if isinstance(said, int) else a_sheet(FOREIGN, AUDITING) | said
    outcome = script.play(
        submit_version(VERSION), **to_submit_audit(NO_SHEET, *[sheet] * (6 if said == NO_SHEET else 1))
    )
    assert (outcome.outcome, outcome.auditid) == ("submitted", "1234567")


def nameless(status: int) -> dict[str, Any]:
    """Return our sheet as a WeChat that leaves descriptions out shows it."""
    return a_sheet(OURS | {"user_desc": ""}, status)


@pytest.mark.parametrize("status", [AUDITING, DELAYED, APPROVED])
def test_a_sheet_without_description_is_adopted_by_its_noted_number(script: Script, status: int) -> None:
    how = Submission(noted_auditid="1234567")
    outcome = script.play(submit_version(VERSION, how), get_latest_auditstatus=[nameless(status)])
    assert (outcome.outcome, outcome.auditid) == ("adopted", "1234567")


@pytest.mark.parametrize("noted", ["", "7654321"])
def test_a_sheet_without_description_that_nobody_noted_stops(script: Script, noted: str) -> None:
    with pytest.raises(WxaStateError, match=r"in audit 1\.4\.0"):
        script.play(
            submit_version(VERSION, Submission(noted_auditid=noted)),
            get_latest_auditstatus=[nameless(AUDITING)],
            queryquota=[QUOTA],
            getversioninfo=[versions(OURS)],
        )


def test_a_trial_version_without_description_is_not_submitted_whatever_it_is_called(script: Script) -> None:
    with pytest.raises(WxaStateError, match="its description left out") as raised:
        script.play(
            submit_version(VERSION),
            get_latest_auditstatus=[NO_SHEET],
            queryquota=[QUOTA],
            getversioninfo=[versions(OURS | {"user_desc": ""})],
        )
    assert "nothing proves whose version it is" in str(raised.value)


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


def test_a_rejection_without_words_says_so() -> None:
    assert "    none given" in str(audit_error(AuditOutcome("rejected", APPID, "7"))).splitlines()


def test_a_withdrawal_is_an_error_of_state() -> None:
    error = audit_error(AuditOutcome("withdrawn", APPID, "7"))
    assert isinstance(error, WxaStateError)
    assert "auditid 7" in str(error)
    assert "undocodeaudit" in str(error)


@pytest.mark.parametrize("word", ["approved", "delayed", "auditing"])
def test_a_review_that_goes_well_or_goes_on_is_no_error(word: str) -> None:
    assert audit_error(AuditOutcome(word, APPID, "7")) is None  # type: ignore[arg-type]


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

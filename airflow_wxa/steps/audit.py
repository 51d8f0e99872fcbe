"""The audit: submit a version once, adopt its sheet when it is there already, and look where the review stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from airflow_wxa.api.audit import AuditSheet, AuditStatus, get_auditstatus, queryquota, read_sheet, submit_audit
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import AUDIT_ALREADY_RUNNING, AUDIT_QUOTA_REACHED, error_for
from airflow_wxa.errors import (
    WxaApiError,
    WxaAuditRejected,
    WxaBusyError,
    WxaError,
    WxaInputError,
    WxaQuotaError,
    WxaStateError,
    WxaTransportError,
)
from airflow_wxa.steps.code import undeclared_interfaces
from airflow_wxa.steps.lag import read_past_lag, recall, still_lagging
from airflow_wxa.steps.outcome import AuditOutcome, Step, SubmitOutcome, WithdrawOutcome, changes_left
from airflow_wxa.steps.remote_state import (
    NO_SHEET,
    foreign_open_sheet,
    foreign_trial,
    read_latest_sheet,
    sheet_as_noted,
    superseded_by,
    trial_of,
    withdraw_foreign_sheet,
    withdraw_sheet,
)
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from airflow_wxa.api.code import CodeVersion


@dataclass(frozen=True, slots=True)
class Submission:
    """How a version is submitted, besides the version itself.

    :param version_desc: words for the reviewer; test accounts go here.
    :param privacy_api_not_use: declare that privacy interfaces which the scan found are not used.
    :param form: further fields of ``submit_audit`` by WeChat's names.
    :param quota_reserve: keep this many of the platform's monthly submissions for others; 0: submit whatever
        ``queryquota`` tells, WeChat's 85085 decides; ``None``: an earlier look found enough.
    :param audit_quota: submissions left this month, instead of ``queryquota``'s number, which was seen too low.
    :param noted_auditid: of an earlier submission of this version; needed if WeChat leaves the description out.
    :param withdraw_foreign_audit: withdraw a foreign sheet that is in audit, while withdrawals are left.
    """

    version_desc: str = ""
    privacy_api_not_use: bool = False
    form: Mapping[str, Any] = field(default_factory=dict)
    quota_reserve: int | None = 0
    audit_quota: int | None = None
    noted_auditid: str = ""
    withdraw_foreign_audit: bool = False


def submit_version(version: CodeVersion, how: Submission = Submission()) -> Step[SubmitOutcome]:
    """Submit the trial version for audit, unless a sheet of this very version is in audit or approved: adopt it then.

    A sheet that WeChat gave a number but does not show yet is waited for by :func:`audit_status`.

    :raises WxaBusyError: the trial version still is the one from before our commit.
    :raises WxaSpecError: fields of the form that break WeChat's rules; every one is named with its path.
    :raises WxaStateError: the trial version, or a sheet in audit, is somebody else's; it is named.
    :raises WxaQuotaError: the platform's monthly audit quota is down to the reserve; nothing was submitted.
    :raises WxaBusyError: 61039, the privacy scan has not ended.
    :raises WxaInputError: 61040, with the privacy interfaces that lack a right or a declaration.
    """
    call = submit_audit(
        version.appid, version_desc=how.version_desc, privacy_api_not_use=how.privacy_api_not_use, form=how.form
    )
    call.content()  # a form that WeChat cannot take is refused before the first look
    accepted = yield from recall(version.appid, version.fingerprint)
    noted_auditid = how.noted_auditid or accepted.auditid or accepted.noted_auditid

    def lags(sheet: AuditSheet | None) -> bool:
        seen = version.is_sheet(sheet, noted_auditid) or (sheet is not None and sheet.auditid == accepted.auditid)
        return accepted.auditid != "" and not seen and accepted.explains("submit_audit", sheet_as_noted(sheet))

    before = yield from read_past_lag(lambda: read_latest_sheet(version.appid), lags)
    if adopted := _adopted(version, before, noted_auditid):
        return adopted
    if lags(before):
        return SubmitOutcome("adopted", version.appid, version.user_version, accepted.auditid)
    quota = yield from _quota(version.appid, how, before)
    # The last look before the write: what is on trial is submitted.
    info = yield from trial_of(version).settled(accepted, "submit_audit")
    if not version.is_trial(info.trial):
        raise foreign_trial("submit_audit", version, info)
    if before is not None and before.status.is_open:
        before = yield from withdraw_foreign_sheet("submit_audit", version, before, asked=how.withdraw_foreign_audit)
        if adopted := _adopted(version, before, noted_auditid):
            return adopted
    try:
        auditid = str((yield call.knowing(sheet_as_noted(before), version.fingerprint)).answer["auditid"])
    except (WxaTransportError, WxaBusyError, WxaStateError, WxaInputError, WxaQuotaError) as error:
        if isinstance(error, WxaQuotaError) and quota:
            error.values["queryquota told"] = "rest {rest} of limit {limit}".format(**quota)
        return (yield from _after_refusal(version, noted_auditid, error, not_used=how.privacy_api_not_use))
    sheet = yield from read_past_lag(
        lambda: read_latest_sheet(version.appid),
        lambda sheet: sheet_as_noted(sheet) == sheet_as_noted(before) and (sheet is None or sheet.auditid != auditid),
    )
    if sheet is not None and sheet.auditid == auditid and not version.is_sheet(sheet, auditid):
        # They committed between our look and our submission.
        raise foreign_open_sheet("submit_audit", version, sheet, sent=info.trial.description if info.trial else "")
    return SubmitOutcome(
        "submitted", version.appid, version.user_version, auditid, superseded_by(version, before), quota or None
    )


def audit_status(appid: str, auditid: str, *, just_submitted: bool = False) -> Step[AuditOutcome]:
    """Look once where the review of a sheet stands.

    If WeChat does not know the sheet, the latest one is asked for: either call was seen to know less than the other,
    and both not to know a sheet that was submitted minutes ago.

    :param auditid: as :func:`submit_version` returned it.
    :param just_submitted: our submission was accepted within the last ten minutes; a sheet that neither call knows is
        in audit then. A run's ledger tells so by itself.
    :raises WxaInputError: 85012; neither call knows the sheet.

    Source: https://developers.weixin.qq.com/community/personal/oCJUsw84V3TNHyqtviFpXVETsm78/follow
    """
    try:
        sheet = read_sheet((yield get_auditstatus(appid, auditid)), auditid)
    except WxaApiError as error:
        if error.errcode not in NO_SHEET:
            raise
        latest = yield from read_latest_sheet(appid)
        if latest is None or latest.auditid != auditid:
            if just_submitted or auditid in (yield from recall(appid)).submitted:
                return AuditOutcome("auditing", appid, auditid)
            raise error_for(
                error.errcode,
                endpoint=CATALOGUE["get_auditstatus"],
                appid=error.appid,
                errmsg=error.errmsg,
                rid=error.rid,
                what=Text("sheet_is_unknown", auditid=auditid),
                values={"get_latest_auditstatus": f"sheet {latest.auditid}" if latest else "no sheet"},
            ) from None
        sheet = latest
    word = cast('Literal["approved", "rejected", "withdrawn", "delayed", "auditing"]', sheet.status.name.lower())
    return AuditOutcome(word, appid, auditid, reason=sheet.reason, screenshot=sheet.screenshot)


def audit_seen(appid: str, before: Mapping[str, Any] | None) -> Step[dict[str, Any]]:
    """Look at the latest sheet, and return what is to be remembered of it: something else than before is a change.

    A replica that lags shows none: no sheet after one, an older sheet, or one in audit that had ended.

    :param before: the last look's return value; ``None``: nobody has looked yet.
    :return: ``{"auditid", "user_version", "status", "submit_audit_time"}``; ``{}``: there is no sheet yet.
    """
    sheet = yield from read_latest_sheet(appid)
    if sheet is None:
        return dict(before or {})
    now = {
        "auditid": sheet.auditid,
        "user_version": sheet.user_version,
        "status": sheet.status.name.lower(),
        "submit_audit_time": sheet.submit_audit_time,
    }
    if not before:
        return now
    named = ("auditid",) if sheet.auditid else ("auditid", "user_version", "submit_audit_time")  # it can be left out
    if all(now[name] == before[name] for name in named):
        had_ended = not AuditStatus[before["status"].upper()].is_open
        lags = before["status"] == now["status"] or (had_ended and sheet.status.is_open)
    else:
        lags = 0 < sheet.submit_audit_time < before["submit_audit_time"]
    return dict(before) if lags else now


def withdraw_audit(appid: str, auditid: str) -> Step[WithdrawOutcome]:
    """Take a sheet in audit back (撤回审核), once; one that was taken back already costs nothing.

    :param auditid: as :func:`submit_version` returned it; another sheet is never taken back for it.
    :raises WxaBusyError: its withdrawal was accepted, and it still reads in audit.
    :raises WxaQuotaError: the withdrawals of this Mini Program are used up: 5 a day, 10 a month.
    :raises WxaStateError: the latest sheet is another one, or its review has ended.
    """
    left = yield from changes_left("undocodeaudit", appid)
    accepted = yield from recall(appid)

    def lags(sheet: AuditSheet | None) -> bool:
        return auditid in accepted.submitted and (sheet is None or sheet.auditid != auditid)

    sheet = yield from read_past_lag(lambda: read_latest_sheet(appid), lags)
    if lags(sheet):
        raise still_lagging("undocodeaudit", "submit_audit", appid, sheet_as_noted(sheet) or "no sheet")
    if sheet is None or sheet.auditid != auditid:
        raise _not_withdrawable(appid, auditid, sheet)
    if sheet.status is AuditStatus.WITHDRAWN:
        return WithdrawOutcome("already_withdrawn", appid, auditid, left)
    if not sheet.status.is_open:
        raise _not_withdrawable(appid, auditid, sheet)
    after, refused = yield from withdraw_sheet("undocodeaudit", appid, sheet, left, accepted)
    if after is not None and after.auditid == auditid and after.status is not AuditStatus.WITHDRAWN:
        is_over = not after.status.is_open  # between our look and our withdrawal: what WeChat refused tells less
        raise _not_withdrawable(appid, auditid, after) if is_over or refused is None else refused
    spent = auditid not in accepted.withdrawn
    return WithdrawOutcome("withdrawn", appid, auditid, left - spent)


def _not_withdrawable(appid: str, auditid: str, latest: AuditSheet | None) -> WxaStateError:
    return WxaStateError(
        Text("sheet_is_not_in_audit", auditid=auditid),
        values={
            "latest sheet": latest.auditid if latest else "none",
            "its version": latest.user_version if latest else "none",
            "status": latest.status.name.lower() if latest else "none",
        },
        **CATALOGUE["undocodeaudit"].named(appid),
    )


def audit_error(outcome: AuditOutcome, screenshots: Mapping[str, str] | None = None) -> WxaError | None:
    """Return the error of a review that ended badly, for callers that cannot route on it; else ``None``.

    :param screenshots: media id → where the reviewer's screenshot was saved; ``None``: it was not.
    """
    named = CATALOGUE["get_auditstatus"].named(outcome.appid)
    if outcome.outcome == "rejected":
        if screenshots is None:
            screenshots = dict.fromkeys(outcome.screenshot, Text("get_material_has_it"))
        lines = [f"  {line}" for line in outcome.reason.splitlines() or [Text("no_reason_was_given")]]
        lines += [Text("screenshot_is_at", media_id=id_, where=where) for id_, where in screenshots.items()]
        return WxaAuditRejected(
            Text("audit_ended_rejected"),
            values={"auditid": outcome.auditid},
            why=Text("reason_of_a_rejection", between="\n  ", lines=lines),
            reason=outcome.reason,
            screenshot=outcome.screenshot,
            **named,
        )
    if outcome.outcome == "withdrawn":
        return WxaStateError(Text("audit_was_withdrawn"), values={"auditid": outcome.auditid}, **named)
    return None


def _adopted(version: CodeVersion, sheet: AuditSheet | None, noted_auditid: str) -> SubmitOutcome | None:
    if sheet is None or not sheet.is_live or not version.is_sheet(sheet, noted_auditid):
        return None
    auditid = sheet.auditid or noted_auditid
    if not auditid:
        raise WxaTransportError(
            Text("sheet_has_no_auditid"), **CATALOGUE["get_latest_auditstatus"].named(version.appid)
        )
    return SubmitOutcome("adopted", version.appid, version.user_version, auditid)


def _after_refusal(version: CodeVersion, noted_auditid: str, error: WxaError, *, not_used: bool) -> Step[SubmitOutcome]:
    """Read the sheet after a lost answer, or after 85009: adopt ours, name a foreign one, else the error stands."""
    if isinstance(error, WxaQuotaError):
        raise error
    if isinstance(error, WxaInputError):
        raise (yield from undeclared_interfaces(error, not_used=not_used))
    already_running = isinstance(error, WxaApiError) and error.errcode == AUDIT_ALREADY_RUNNING

    def lags(sheet: AuditSheet | None) -> bool:
        return already_running and (sheet is None or not sheet.status.is_open)

    sheet = yield from read_past_lag(lambda: read_latest_sheet(version.appid), lags)
    if adopted := _adopted(version, sheet, noted_auditid):
        return adopted
    if lags(sheet):
        shown = "no sheet"
        if sheet is not None:
            shown = f"{sheet.user_version} (sheet {sheet.auditid}), {sheet.status.name.lower()}"
        raise still_lagging(
            "submit_audit", "submit_audit (85009: a sheet is in audit)", version.appid, shown
        ) from error
    if already_running and sheet is not None and not version.is_sheet(sheet, noted_auditid):
        raise foreign_open_sheet("submit_audit", version, sheet) from error
    raise error


def _quota(appid: str, how: Submission, before: AuditSheet | None) -> Step[dict[str, Any]]:
    """Return ``rest`` and ``limit`` as ``queryquota`` tells them; refuse when the month's quota is down to a reserve.

    A quota that cannot be read stops nothing, and without a reserve what is read does not either: ``queryquota`` was
    seen to tell 0 of 27 while WeChat took submissions. Somebody's sheet is not withdrawn on that chance.

    :raises WxaQuotaError: 85085 of our own; nothing was submitted.
    """
    reserve = how.quota_reserve
    if reserve is None:
        return {}
    quota: Mapping[str, Any] = {"rest": how.audit_quota}
    if how.audit_quota is None:
        try:
            quota = (yield queryquota(appid)).answer
        except WxaError:
            return {}
    rest, limit = quota.get("rest"), quota.get("limit", "unknown")
    withdraws = before is not None and before.status.is_open and how.withdraw_foreign_audit
    if rest is None or rest > reserve or not (reserve or withdraws):
        return {} if rest is None else {"rest": rest, "limit": limit}
    raise error_for(
        AUDIT_QUOTA_REACHED,
        endpoint=CATALOGUE["submit_audit"],
        appid=appid,
        what=Text("audit_quota_is_used_up", state=Text("at_the_reserve") if reserve else Text("used_up")),
        values={"rest": rest, "limit": limit, "reserve": reserve},
    )

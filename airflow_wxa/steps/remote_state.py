"""State of a Mini Program at WeChat, and its owner.

Trial version, audit sheet and online version are independent of each other. The fingerprint in their descriptions
tells whether they are ours.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_wxa.api.audit import AuditSheet, get_latest_auditstatus, read_sheet, undocodeaudit
from airflow_wxa.api.code import (
    AdoptedVersion,
    CodeVersion,
    OnlineVersion,
    VersionInfo,
    getversioninfo,
    read_version_info,
)
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import (
    INVALID_AUDIT_ID,
    NO_COMMITTED_CODE,
    NO_VALID_AUDIT_ID,
    UNDO_QUOTA_REACHED,
    error_for,
)
from airflow_wxa.errors import WxaApiError, WxaError, WxaStateError
from airflow_wxa.steps.lag import AcceptedWrites, Watched, read_past_lag, recall, sent, still_lagging
from airflow_wxa.steps.outcome import Step, changes_left
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable


T = TypeVar("T")

#: On get_latest_auditstatus each of these means that there is no sheet.
NO_SHEET: Final = frozenset({NO_VALID_AUDIT_ID, INVALID_AUDIT_ID, NO_COMMITTED_CODE})


def if_known(read: Step[T]) -> Step[T | None]:
    """Return the result of a read; ``None`` when WeChat does not say, which stops nothing."""
    try:
        return (yield from read)
    except WxaError:
        return None


def read_versions(appid: str) -> Step[VersionInfo]:
    """Read the versions on trial and online."""
    return read_version_info((yield getversioninfo(appid)))


def read_latest_sheet(appid: str) -> Step[AuditSheet | None]:
    """Read the latest audit sheet; ``None`` when there is none."""
    try:
        return read_sheet((yield get_latest_auditstatus(appid)))
    except WxaApiError as error:
        if error.errcode in NO_SHEET:
            return None
        raise


def trial_of(version: CodeVersion) -> Watched[VersionInfo]:
    """Return the state that a commit brings about: this version is the one on trial."""
    read = partial(read_versions, version.appid)
    return Watched("commit", version.appid, read, lambda info: version.is_trial(info.trial), trial_as_noted)


def sheet_of(version: CodeVersion, noted_auditid: str = "") -> Watched[AuditSheet | None]:
    """Return the state that a submission brings about: the latest sheet is of this version."""
    read, is_done = partial(read_latest_sheet, version.appid), partial(version.is_sheet, noted_auditid=noted_auditid)
    return Watched("submit_audit", version.appid, read, is_done, sheet_as_noted)


def trial_as_noted(info: VersionInfo) -> dict[str, Any]:
    """Return the trial version as the ledger holds it."""
    return {"trial": asdict(info.trial) if info.trial else None}


def online_as_noted(online: OnlineVersion | None) -> dict[str, Any] | None:
    """Return the online version likewise."""
    return asdict(online) if online else None


def sheet_as_noted(sheet: AuditSheet | None) -> dict[str, str] | None:
    """Return a sheet as the ledger holds it; its status is left out, since it changes by itself."""
    return None if sheet is None else {"auditid": sheet.auditid, "user_version": sheet.user_version}


def superseded_by(version: CodeVersion, sheet: AuditSheet | None) -> str | None:
    """Return the ``user_version`` of a foreign sheet that has ended and that ``version`` takes the place of."""
    if sheet is None or version.is_sheet(sheet):
        return None
    return sheet.user_version


def withdraw_foreign_sheet(
    step: str, version: CodeVersion, sheet: AuditSheet, *, asked: bool
) -> Step[AuditSheet | None]:
    """Withdraw a foreign sheet in audit, if that was asked for, and return the latest sheet as it is then.

    That may be one of ours: a newer attempt has submitted it meanwhile. A withdrawal is spent once for each sheet: the
    latest sheet was seen in audit after one was accepted, and a second one was accepted, too.

    :param asked: whether any foreign sheet is to be withdrawn; otherwise one of the same DAG, if its run supersedes.
    :raises WxaBusyError: its withdrawal was accepted a moment ago, and it still reads in audit.
    :raises WxaStateError: nobody asked, or another sheet is in audit by now; it is named.
    :raises WxaQuotaError: the withdrawals are used up; nothing was sent if we knew.
    :raises WxaError: the withdrawal's refusal, while the sheet is in audit all the same.
    """
    may_be_ours = (not sheet.user_desc and sheet.user_version in ("", version.user_version)) or version.is_cut_off(
        sheet.user_version, sheet.user_desc
    )
    if not asked and sheet.auditid:
        asked = sheet.auditid in (yield from recall(version.appid, own_sheets=True)).own_sheets
    if not asked or may_be_ours:  # without a description nothing proves whose it is
        raise foreign_open_sheet(step, version, sheet)
    left = yield from changes_left("undocodeaudit", version.appid)
    accepted = yield from recall(version.appid)
    refused: WxaError | None = None
    after = yield from read_latest_sheet(version.appid)  # behind the fence: an older attempt may have gone on meanwhile
    if after is not None and after.status.is_open and sheet_as_noted(after) == sheet_as_noted(sheet):
        after, refused = yield from withdraw_sheet(step, version.appid, sheet, left, accepted, version.is_sheet)
    if after is None or not after.status.is_open or version.is_sheet(after):
        return after
    if refused is not None and after.auditid == sheet.auditid:
        raise refused
    raise foreign_open_sheet(step, version, after)


def withdraw_sheet(
    step: str,
    appid: str,
    sheet: AuditSheet,
    left: int,
    accepted: AcceptedWrites,
    is_ours: Callable[[AuditSheet | None], bool] = lambda _: False,
) -> Step[tuple[AuditSheet | None, WxaError | None]]:
    """Withdraw a sheet in audit, once; return the latest sheet as it is then, and why WeChat refused if it did.

    :param left: withdrawals of this Mini Program.
    :param is_ours: tells a sheet that a newer attempt has submitted meanwhile.
    :raises WxaBusyError: its withdrawal was accepted a moment ago, and it still reads in audit.
    :raises WxaQuotaError: the withdrawals are used up; nothing was sent if we knew.
    """
    noted = {"in audit": sheet.user_version, "auditid": sheet.auditid}
    refused: WxaError | None = None
    is_recent = True
    if sheet.auditid and sheet.auditid in accepted.withdrawn:
        is_recent = accepted.explains("undocodeaudit", noted)
    elif left <= 0:
        raise no_withdrawal_left(appid, sheet)
    else:
        _, refused = yield from sent(undocodeaudit(appid).knowing(noted), WxaStateError)

    def lags(after: AuditSheet | None) -> bool:
        same = after is not None and after.status.is_open and after.auditid == sheet.auditid
        return same and refused is None and not is_ours(after)

    after = yield from read_past_lag(lambda: read_latest_sheet(appid), lags)
    if lags(after) and is_recent:
        raise still_lagging(step, "undocodeaudit", appid, f"sheet {sheet.auditid} in audit")
    return after, refused


def no_withdrawal_left(appid: str, sheet: AuditSheet) -> WxaApiError:
    """Return the error for a sheet that cannot be withdrawn any more today, or this month."""
    return error_for(
        UNDO_QUOTA_REACHED,
        endpoint=CATALOGUE["undocodeaudit"],
        appid=appid,
        what=Text("withdrawals_are_used_up"),
        values={"left": 0, "in audit": sheet.user_version, "auditid": sheet.auditid},
    )


def foreign_trial(
    step: str, version: CodeVersion, info: VersionInfo, refused: WxaStateError | None = None, *, sent: str = ""
) -> WxaStateError:
    """Return the error that names the trial version which is not ours.

    :param refused: WeChat's refusal because of it.
    :param sent: the description of our own commit, if it is known.
    """
    theirs = info.trial
    if theirs is not None and version.is_cut_off(theirs.version, theirs.description, sent):
        return cut_off(step, version, theirs.description)
    said: dict[str, Any] = {"errcode": refused.errcode, "errmsg": refused.errmsg, "rid": refused.rid} if refused else {}
    return WxaStateError(
        Text("trial_is_foreign", step=step),
        values={
            "trial version": theirs.version if theirs else "none",
            "its description": theirs.description or "left out" if theirs else "none",
            "ours": f"{version.user_version} {version.mark}",
            **said,
        },
        why=Text("description_was_left_out" if theirs and not theirs.description else "somebody_else_committed"),
        next_step=Text("upload_again_or_adopt" if isinstance(version, AdoptedVersion) else "agree_then_commit_again"),
        **CATALOGUE["commit"].named(version.appid, step),
        **said,
    )


def foreign_open_sheet(step: str, version: CodeVersion, sheet: AuditSheet, *, sent: str = "") -> WxaStateError:
    """Return the error that names the sheet which is not ours and in audit, or was when WeChat refused for it.

    :param sent: the description of our own commit, if it is known.
    """
    if version.is_cut_off(sheet.user_version, sheet.user_desc, sent):
        return cut_off(step, version, sheet.user_desc)
    when = Text("is_in_audit") if sheet.status.is_open else Text("was_in_audit")
    return WxaStateError(
        Text("foreign_sheet_is_open", step=step, when=when),
        values={
            "in audit": sheet.user_version or "left out",
            "its description": sheet.user_desc or "left out",
            "auditid": sheet.auditid,
            "status": sheet.status.name.lower(),
            "ours": f"{version.user_version} {version.mark}",
        },
        **CATALOGUE["get_latest_auditstatus"].named(version.appid, step),
    )


def cut_off(step: str, version: CodeVersion, description: str) -> WxaStateError:
    """Return the error for a description that WeChat handed back cut off."""
    longest = max(len(description) - len(version.described("x")) + 1, 0)
    return WxaStateError(
        Text("description_was_cut_off", step=step, longest=longest),
        values={
            "its description": description,
            "characters": len(description),
            "ours": f"{version.user_version} {version.mark}",
        },
        **CATALOGUE["commit"].named(version.appid, step),
    )

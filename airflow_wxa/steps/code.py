"""The committed code: upload a version once, and see what WeChat's privacy scan says of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_wxa.api.code import CodeVersion, commit, get_code_privacy_info, user_desc_problems
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import PRIVACY_API_MISSING_RIGHT_OR_DECLARATION, PRIVACY_CHECK_RUNNING
from airflow_wxa.errors import WxaApiError, WxaError, WxaInputError, WxaSpecError
from airflow_wxa.steps import remote_state
from airflow_wxa.steps.lag import recall, sent
from airflow_wxa.steps.online import read_online
from airflow_wxa.steps.outcome import CommitOutcome, PrivacyOutcome, Step
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from airflow_wxa.api.audit import AuditSheet


def commit_code(version: CodeVersion, user_desc: str, *, withdraw_foreign_audit: bool = False) -> Step[CommitOutcome]:
    """Upload the version, unless WeChat has it already: on trial, in audit or approved.

    Committing again would start another privacy scan, and block the release of an approved sheet. A foreign trial
    version is overwritten; a foreign sheet that is still in audit stops the step.

    :param user_desc: the change; the fingerprint is appended.
    :param withdraw_foreign_audit: withdraw a foreign sheet that is in audit, while withdrawals are left.
    :raises WxaBusyError: the trial version still is the one from before an accepted commit.
    :raises WxaSpecError: ``user_desc`` holds a mark; nothing was sent.
    :raises WxaStateError: a foreign sheet is in audit, or somebody else committed at the same time: theirs is named.
    """
    if problems := user_desc_problems(user_desc):
        raise WxaSpecError(Text("user_desc_holds_a_mark"), problems, **CATALOGUE["commit"].named(version.appid))
    accepted, trial = (yield from recall(version.appid, version.fingerprint)), remote_state.trial_of(version)
    before = yield from trial.past_lag(accepted)
    sheet = yield from remote_state.read_latest_sheet(version.appid)
    unchanged = CommitOutcome("unchanged", version.appid, version.user_version, version.fingerprint)
    if version.is_trial(before.trial) or _in_review(version, sheet):
        return unchanged
    if trial.lags(before, accepted):
        raise trial.late(before)
    if sheet is not None and sheet.status.is_open:
        sheet = yield from remote_state.withdraw_foreign_sheet("commit", version, sheet, asked=withdraw_foreign_audit)
        if _in_review(version, sheet):
            return unchanged
    noted = remote_state.trial_as_noted(before)
    online = yield from remote_state.if_known(read_online(version.appid))  # a submission may change it already
    call = commit(version, user_desc).knowing(noted, version.fingerprint, online=online.to_json() if online else None)
    _, lost = yield from sent(call)
    accepted = accepted if lost else accepted.with_write("commit", noted)
    foreign = partial(remote_state.foreign_trial, "commit", version, sent=version.described(user_desc))
    yield from trial.read_back(accepted, lost, foreign)
    return CommitOutcome(
        "committed",
        version.appid,
        version.user_version,
        version.fingerprint,
        superseded=remote_state.superseded_by(version, sheet),
    )


def _in_review(version: CodeVersion, sheet: AuditSheet | None) -> bool:
    return sheet is not None and sheet.is_live and version.is_sheet(sheet)


def privacy_scan(appid: str, *, privacy_api_not_use: bool = False) -> Step[PrivacyOutcome]:
    """Look once whether the scan that the commit started has ended.

    :param privacy_api_not_use: the submission will declare that the interfaces found are not used, so they are no
        error.
    :raises WxaInputError: privacy interfaces without declaration or right, named.
    """
    try:
        answer = (yield get_code_privacy_info(appid)).answer
    except WxaApiError as error:
        if error.errcode == PRIVACY_CHECK_RUNNING:
            return PrivacyOutcome("scanning", appid)
        if error.errcode == PRIVACY_API_MISSING_RIGHT_OR_DECLARATION and privacy_api_not_use:
            return PrivacyOutcome("clear", appid)
        raise
    rights, declarations = (tuple(answer.get(name, ())) for name in ("without_auth_list", "without_conf_list"))
    found = PrivacyOutcome("clear", appid, rights, declarations)
    if (rights or declarations) and not privacy_api_not_use:
        raise WxaInputError(
            Text("privacy_interfaces_are_undeclared"),
            errcode=PRIVACY_API_MISSING_RIGHT_OR_DECLARATION,
            values={
                "without right": ", ".join(rights) or "none",
                "without declaration": ", ".join(declarations) or "none",
            },
            next_step=_cure(found),
            **CATALOGUE["get_code_privacy_info"].named(found.appid),
        )
    return found


def undeclared_interfaces(refused: WxaApiError, *, not_used: bool = False) -> Step[WxaApiError]:
    """Return the error for a refused submission; for 61040 with the interfaces that the scan tells of.

    :param not_used: ``privacy_api_not_use`` was sent, so that it cannot be what cures this.
    """
    if refused.errcode != PRIVACY_API_MISSING_RIGHT_OR_DECLARATION:
        return refused
    found = refused
    try:
        yield from privacy_scan(refused.appid or "")
    except WxaInputError as error:
        found = error
    except WxaError:
        pass
    if not_used:
        found.next_step = Text("apply_for_the_right")
    return found


def _cure(found: PrivacyOutcome) -> str:
    """Return what helps: a right is applied for, a declaration is written."""
    if not found.without_conf_list:
        return Text("apply_for_each_interface")
    if not found.without_auth_list:
        return Text("declare_the_interfaces")
    return Text("apply_and_declare")

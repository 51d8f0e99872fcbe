"""The staged release: raise the part of the users who see the approved version of ours, or take it back."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Literal

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.release import (
    GrayPlan,
    GrayStatus,
    getgrayreleaseplan,
    grayrelease,
    read_gray_plan,
    revertgrayrelease,
)
from airflow_wxa.errors import WxaApiError, WxaStateError
from airflow_wxa.steps.lag import Watched, recall, sent
from airflow_wxa.steps.offline import Kinds, may_be_lost
from airflow_wxa.steps.outcome import Approved, GrayOutcome, Step, approved
from airflow_wxa.steps.release import guard_domains, judged, releasable_sheet
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_wxa.api.code import CodeVersion
    from airflow_wxa.api.webview_domain import WebviewDomain


_GRAY, _REVERT = CATALOGUE["grayrelease"], CATALOGUE["revertgrayrelease"]


def gray_release(
    version: CodeVersion,
    gray_percentage: int,
    wanted: Collection[WebviewDomain] = (),
    *,
    support_debuger_first: bool = False,
    support_experiencer_first: bool = False,
    noted_auditid: str = "",
    approval: Approved | None = None,
    allowed: Kinds | None = None,
) -> Step[GrayOutcome]:
    """Show the version to this part of the users, if its sheet is the latest and approved; the part only rises.

    A plan that stands at this part already is left alone; after a lost answer the plan is read, nothing is repeated.

    :param gray_percentage: 0 to 100; with 0 one of the flags is needed.
    :param wanted: domains that must be configured, and registered where that can be read.
    :param noted_auditid: of our submission; needed if WeChat leaves the description out.
    :param approval: of exactly this, see :func:`release_version`.
    :param allowed: effective domains that the release may take away when nobody is asked, by kind; ``None``: any.
        Judged before the first percentage.
    :raises WxaBusyError: the plan still is the one from before an accepted write.
    :raises WxaStateError: more users see a version already, or the latest sheet is not ours, or not approved.
    """
    call = grayrelease(
        version.appid,
        gray_percentage,
        support_debuger_first=support_debuger_first,
        support_experiencer_first=support_experiencer_first,
    )
    call.content()  # a number that WeChat cannot take is refused before the first look
    accepted = yield from recall(version.appid, version.fingerprint, past=True)

    def is_there(plan: GrayPlan) -> bool:
        return plan.is_running and plan.gray_percentage == gray_percentage

    plan = Watched(_GRAY.name, version.appid, partial(_read_plan, version.appid), is_there, asdict)
    before = yield from plan.settled(accepted)
    if before.is_running and before.gray_percentage > gray_percentage:
        raise WxaStateError(
            Text("gray_percentage_would_fall", now=before.gray_percentage, wanted=gray_percentage),
            values={"plan": _in_words(before)},
            **_GRAY.named(version.appid),
        )
    own, hosts = yield from guard_domains(version, wanted, accepted)
    if not before.is_running:  # it was judged before the first percentage
        allowed = may_be_lost((yield from approved(approval)), allowed)
        yield from judged(_GRAY.name, version.appid, accepted, allowed, own=own, hosts=hosts)
    yield from releasable_sheet(version, wanted, noted_auditid, approval, accepted)
    if is_there(before):
        return _outcome("unchanged", version.appid, before)
    # 85082 as well: our own lost try may have raised it.
    _, lost = yield from sent(call.knowing(asdict(before), version.fingerprint), WxaStateError)
    seen = accepted if lost else accepted.with_write(_GRAY.name, asdict(before))
    after = yield from plan.read_back(seen, lost, plan.late)
    return _outcome("raised", version.appid, after)


def revert_gray_release(appid: str) -> Step[GrayOutcome]:
    """Cancel the plan that runs: everybody sees what is online again. One that was cancelled already is left alone.

    :raises WxaBusyError: the plan still runs after an accepted cancellation.
    :raises WxaStateError: no staged release runs, so there is none to take back.
    """
    accepted = yield from recall(appid)
    plan = Watched(_REVERT.name, appid, partial(_read_plan, appid), lambda plan: not plan.is_running, asdict)
    before = yield from plan.settled(accepted)
    if before.status is GrayStatus.DELETED:
        return _outcome("already_reverted", appid, before)
    if not before.is_running:
        raise WxaStateError(
            Text("no_staged_release_runs"),
            values={"plan": _in_words(before)},
            **CATALOGUE["getgrayreleaseplan"].named(appid, _REVERT.name),
        )
    # Whatever WeChat refuses: another run, or our own lost try, may have done it.
    _, lost = yield from sent(revertgrayrelease(appid).knowing(asdict(before)), WxaApiError)
    seen = accepted if lost else accepted.with_write(_REVERT.name, asdict(before))
    after = yield from plan.read_back(seen, lost, plan.late)
    if lost is not None and after.status is GrayStatus.FINISHED:
        raise lost  # it was not taken back: everybody sees the new version
    return _outcome("reverted", appid, after)


def _read_plan(appid: str) -> Step[GrayPlan]:
    return read_gray_plan((yield getgrayreleaseplan(appid)))


def _outcome(
    word: Literal["raised", "unchanged", "reverted", "already_reverted"], appid: str, plan: GrayPlan
) -> GrayOutcome:
    return GrayOutcome(word, appid, plan.gray_percentage, plan.status.name.lower() if plan.status is not None else "")


def _in_words(plan: GrayPlan) -> str:
    status = plan.status.name.lower() if plan.status is not None else "none"
    return f"{status}, {plan.gray_percentage} percent"

"""Publishing: the approved sheet of ours and nothing else, then the proof that it and its domains are online."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from airflow_wxa.api.audit import AuditSheet, AuditStatus, get_auditstatus, read_sheet
from airflow_wxa.api.code import AdoptedVersion, CodeVersion, OnlineVersion, release
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import (
    AUDIT_STATUS_NOT_RELEASABLE,
    INDIVIDUAL_NOT_SUPPORTED,
    PLATFORM_WEBVIEW_DOMAIN_EMPTY,
)
from airflow_wxa.errors import WxaApiError, WxaError, WxaStateError, WxaTransportError
from airflow_wxa.steps.domains import read_own_domains, read_platform_hosts
from airflow_wxa.steps.lag import AcceptedWrites, Watched, read_past_lag, recall, sent, still_lagging
from airflow_wxa.steps.offline import WEBVIEW, Kinds, Lists, Offline, Online, Past, goes_offline, may_be_lost, was_lost
from airflow_wxa.steps.online import going_offline, in_words, read_online, read_webview_lists, refuse_losses
from airflow_wxa.steps.outcome import Approved, ReleaseOutcome, Step, approved, in_order
from airflow_wxa.steps.remote_state import (
    cut_off,
    foreign_trial,
    if_known,
    online_as_noted,
    read_latest_sheet,
    read_versions,
    sheet_of,
)
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_wxa.api.webview_domain import WebviewDomain

T = TypeVar("T")

_NOT_APPROVED: Final = "sheet_is_not_approved"


def release_version(
    version: CodeVersion,
    wanted: Collection[WebviewDomain] = (),
    *,
    noted_auditid: str = "",
    approval: Approved | None = None,
    prove: bool = False,
    allowed: Kinds | None = None,
) -> Step[ReleaseOutcome]:
    """Publish the version, if its sheet is the latest and approved; not twice, also after a lost answer.

    Just before, the wanted domains are looked for on the Mini Program's own list and, when it can be read, on the
    platform's: one that the release would drop stops it, and so do domains that are effective now and would not be
    behind it. 85052 says that the latest approved sheet is online already: success only when that version is ours.

    :param wanted: domains that must be effective afterwards.
    :param noted_auditid: of our submission; needed if WeChat leaves the description out.
    :param approval: of exactly this, asked for just before, with the state online and configured by then; only the
        sheet ``noted_auditid`` may be published. ``None``: nobody is asked, and the latest sheet of this version is.
    :param prove: prove that the wanted domains are effective, as :func:`verify_release` does, which needs not follow.
    :param allowed: effective domains that it may take away when nobody is asked, by kind; ``None``: any. When somebody
        was, the question's domains may go, and no more.
    :raises WxaBusyError: a state that an accepted write has changed still is as it was before.
    :raises WxaStateError: the latest sheet is not ours, or not approved; a wanted domain would be dropped, or needs a
        new version; more would go offline than is allowed; or another version is online after all. Each is named.
    """
    accepted = yield from recall(version.appid, version.fingerprint, past=True)
    before = yield from _read_online(version, accepted)
    if before is not None and _is_done(version, before, accepted):
        was = _released(version, accepted)
        return (yield from _outcome("already_released", version, before, was, accepted, proven=wanted, prove=prove))
    if _online_lags(version, before, accepted):
        raise still_lagging("release", "release", version.appid, online_as_noted(before))
    own, hosts = yield from guard_domains(version, wanted, accepted)
    allowed = may_be_lost((yield from approved(approval)), allowed)
    was = yield from judged("release", version.appid, accepted, allowed, own=own, hosts=hosts)
    noted = {"online": online_as_noted(before), "effective": in_order(was.effective.get(WEBVIEW))}
    sheet = yield from releasable_sheet(version, wanted, noted_auditid, approval, accepted)  # last look
    call = release(version.appid).knowing(noted, version.fingerprint, online=was.to_json())
    try:
        reply, lost = yield from sent(call)
    except WxaStateError as error:
        raise (yield from _named_if_foreign(version, error)) from None
    refused = reply.errcode if reply else 0
    since = before.time + 1 if before else 1
    if refused and sheet.submit_audit_time:
        since = sheet.submit_audit_time  # 85052: our sheet is online, released at any time since it was submitted
    if lost is None and not (refused and version.is_online(before, since=since)):
        accepted = accepted.with_write("release", noted)
    online = yield from _read_online(version, accepted, since=since)
    if lost is not None and online == before:
        raise lost
    if online is None or not version.is_online(online, since=since):
        raise _not_online("release", version, online, accepted, refused=refused)
    word: Literal["released", "already_released"] = "already_released" if refused else "released"
    proven = wanted if prove or refused else ()
    return (yield from _outcome(word, version, online, was, accepted, proven=proven, prove=prove))


def verify_release(
    version: CodeVersion, wanted: Collection[WebviewDomain] = (), *, individual: bool = False, released_at: int = 0
) -> Step[ReleaseOutcome]:
    """Prove that the version is online, that the wanted domains are effective, and that no other went offline unsaid.

    :param individual: no domain proof: an individual's Mini Program cannot have any.
    :param released_at: epoch seconds of our release, needed if WeChat leaves ``release_version`` out; 0: not known.
    :raises WxaBusyError: the online version, or a domain, still is as it was before an accepted release.
    :raises WxaStateError: another version is online, a wanted domain is not effective, or one that was effective before
        is not any more and the release was not allowed to take it; all are named.
    """
    accepted = yield from recall(version.appid, version.fingerprint, past=True)
    online = yield from _read_online(version, accepted, since=released_at)
    if online is None or not version.is_online(online, since=released_at):
        raise _not_online("verify_release", version, online, accepted)
    if individual:
        return ReleaseOutcome("released", version.appid, online.version, online.time, lost=(), lost_servers={})
    lists = yield from _effective_proof(version, wanted, accepted)
    effective = in_order(lists.effective)
    outcome = ReleaseOutcome("released", version.appid, online.version, online.time, effective=effective)
    was = _released(version, accepted)
    if was is None:
        return outcome
    return outcome.with_losses((yield from _allowed_losses(version.appid, was, lists)))


def _allowed_losses(appid: str, was: Online, proven: Lists | None) -> Step[Offline]:
    """Return the final losses of a release; raise for those that were not allowed.

    :param proven: business domains, if they were read a moment ago.
    """
    now = yield from read_online(appid, proven)
    if _may_lag(was, now):
        now = yield from read_past_lag(lambda: read_online(appid), partial(_may_lag, was))
    losses = _losses(was, now, is_final=True)
    if beyond := {} if was.allowed is None else losses.beyond(was.allowed):
        raise WxaStateError(
            Text("domains_went_offline"),
            values={"went offline": in_words(beyond)},
            **CATALOGUE["get_effective_webviewdomain"].named(appid, "verify_release"),
        )
    return losses


def judged(
    step: str,
    appid: str,
    accepted: AcceptedWrites,
    allowed: Kinds | None,
    *,
    own: frozenset[str] | None = None,
    hosts: frozenset[str] | None = None,
) -> Step[Online]:
    """Return what is online, as the ledger keeps it of a release, unless it would take more away than is allowed.

    :param own: the list of ``setwebviewdomain``, read a moment ago; ``hosts`` the platform's; ``None``: not read.
    """
    offline, joined = yield from _foreseen(appid, accepted, own, hosts)
    refuse_losses(step, appid, offline, allowed)
    return replace(joined, asked_off=accepted.past.asked_off, allowed=allowed)


def _foreseen(
    appid: str, accepted: AcceptedWrites, own: frozenset[str] | None, hosts: frozenset[str] | None = None
) -> Step[tuple[Offline, Online]]:
    online = replace((yield from read_online(appid)), hosts=hosts)
    changed = {"api": {WEBVIEW: own}}
    return (yield from going_offline(appid, online, accepted.past, changed=changed, registered=accepted.registered))


def _released(version: CodeVersion, accepted: AcceptedWrites) -> Online | None:
    """Return what was online before our last release, if that was one of this version."""
    return accepted.past.released if accepted.past.fingerprint == version.fingerprint else None


def _losses(was: Online, now: Online, *, is_final: bool) -> Offline:
    """Return the losses of a release; unless it is final, a domain that still reads as before is not known."""
    losses = was_lost(was.effective, now.effective, was.asked_off)
    return losses if is_final or not _may_lag(was, now) else replace(losses, lost=dict.fromkeys(was.lists))


def _may_lag(was: Online, now: Online) -> bool:
    """Tell whether a list of which the release takes something away still reads as before it."""
    expected = goes_offline(was, Past(asked_off=was.asked_off)).lost
    return any(expected.get(kind) and lists.effective == was.effective.get(kind) for kind, lists in now.lists.items())


def _read_online(version: CodeVersion, accepted: AcceptedWrites, *, since: int = 0) -> Step[OnlineVersion | None]:
    """Read the online version past lag."""
    info = yield from read_past_lag(
        lambda: read_versions(version.appid),
        lambda info: not version.is_online(info.online, since=since) and _online_lags(version, info.online, accepted),
    )
    return info.online


@dataclass(frozen=True, slots=True)
class BeforeRelease:
    """Facts of an approval of a release beside the version, as WeChat tells them.

    :param named: facts that the release must find again: ``online`` as it is read, ``None`` for nothing, a text if
        WeChat does not tell; ``configured``: the Mini Program's own list, sorted.
    :param offline: losses of the release.
    :param sheet: ``{"auditid", "status", "reason"}`` of the latest one.
    """

    named: Mapping[str, Any]
    offline: Offline
    sheet: Mapping[str, str] | None
    is_individual: bool


def before_release(version: CodeVersion, wanted: Collection[WebviewDomain]) -> Step[BeforeRelease]:
    """Read what an approval of a release shows.

    :raises WxaError: WeChat may tell at the next try.
    """
    accepted = yield from recall(version.appid, version.fingerprint, past=True)
    told = yield from _unless_refused(_read_online(version, accepted))
    own, individual = yield from _configured(version, wanted, accepted)
    sheet = yield from _unless_refused(read_latest_sheet(version.appid))
    of_sheet = None
    if isinstance(sheet, AuditSheet):
        of_sheet = {"auditid": sheet.auditid, "status": sheet.status.name.lower(), "reason": sheet.reason}
    offline, _ = yield from _foreseen(version.appid, accepted, own)
    return BeforeRelease(_found(told, own), Offline() if individual else offline, of_sheet, individual)


def _found(online: OnlineVersion | WxaError | None, own: frozenset[str] | None) -> dict[str, Any]:
    """Return what a release finds just before it publishes, as an approval names it."""
    return {
        "online": "not known" if isinstance(online, WxaError) else online_as_noted(online),
        "configured": None if own is None else in_order(own),
    }


def _configured(
    version: CodeVersion, wanted: Collection[WebviewDomain], accepted: AcceptedWrites
) -> Step[tuple[frozenset[str] | None, bool]]:
    """Return the own list past lag, ``None`` where WeChat does not tell, and whether an individual owns it."""
    own = yield from _unless_refused(_own_past_lag(version, wanted, accepted))
    if isinstance(own, WxaError):
        return None, getattr(own, "errcode", 0) == INDIVIDUAL_NOT_SUPPORTED
    return own, False


def _as_approved(
    version: CodeVersion, wanted: Collection[WebviewDomain], approval: Approved | None, accepted: AcceptedWrites
) -> Step[bool]:
    """Ask whether a person has approved exactly this, and the state found now; return whether that was needed."""
    if approval is None or (yield from approved(approval)) is None:
        return False
    online = yield from _unless_refused(_read_online(version, accepted))
    own, _ = yield from _configured(version, wanted, accepted)
    return (yield from approved(replace(approval, about={**approval.about, **_found(online, own)}))) is not None


def _unless_refused(read: Step[T]) -> Step[T | WxaError]:
    """Return what a read comes to, or the refusal that no repetition helps."""
    try:
        return (yield from read)
    except WxaError as error:
        if error.retryable:
            raise
        return error


def _online_lags(version: CodeVersion, online: OnlineVersion | None, accepted: AcceptedWrites) -> bool:
    """Tell whether the online version is one from before an accepted release of this version."""
    by_mark = online is not None and version.is_ours(online.version, online.description)
    return not by_mark and accepted.explains("release", online_as_noted(online), "online")


def _is_done(version: CodeVersion, online: OnlineVersion, accepted: AcceptedWrites) -> bool:
    """Tell whether this version is online before anything is sent.

    Without description it is when a release of it was accepted and something else is online since.
    """
    by_name = isinstance(version, AdoptedVersion)  # the one online may be older: WeChat answers 85052 if it is not
    if not by_name and version.is_ours(online.version, online.description):
        return True
    was_released = "release" in accepted.before and not _online_lags(version, online, accepted)
    return was_released and version.is_online(online, since=1)


def releasable_sheet(
    version: CodeVersion,
    wanted: Collection[WebviewDomain],
    noted_auditid: str,
    approval: Approved | None,
    accepted: AcceptedWrites,
) -> Step[AuditSheet]:
    """Return the latest sheet, which is of this version and approved: by WeChat, and by a person where one is asked."""
    is_approved = yield from _as_approved(version, wanted, approval, accepted)
    approved_auditid = (noted_auditid or "not known") if is_approved else ""
    sheet = yield from sheet_of(version, noted_auditid).settled(accepted, "release")
    if sheet is not None and version.is_sheet(sheet, noted_auditid) and sheet.status.is_open:
        sheet = yield from _approved_if_either_says_so(version.appid, sheet, noted_auditid)
    elif sheet is not None and not sheet.auditid and approved_auditid and sheet.user_desc:
        # Its number was left out, and its mark says that it is of the code that was approved: ask by that number.
        said = yield from _approved_if_either_says_so(version.appid, sheet, approved_auditid)
        sheet = replace(said, auditid=approved_auditid) if not isinstance(version, AdoptedVersion) else sheet
    return _checked_sheet(version, sheet, noted_auditid, approved_auditid)


def _approved_if_either_says_so(appid: str, sheet: AuditSheet, noted_auditid: str) -> Step[AuditSheet]:
    """Return a sheet of ours in audit as ``get_auditstatus`` has it, which may know more than the latest call."""
    try:
        said = read_sheet((yield get_auditstatus(appid, sheet.auditid or noted_auditid)))
    except WxaError:
        return sheet
    return replace(sheet, status=said.status)


def _effective_proof(version: CodeVersion, wanted: Collection[WebviewDomain], accepted: AcceptedWrites) -> Step[Lists]:
    """Return the business domains by list; raise when a wanted one is not effective."""
    origins = {domain.origin for domain in wanted}

    def lags(effective: frozenset[str] | None) -> bool:
        if effective is None:  # an empty list was seen as null: the list from before may be one
            return bool(origins)
        return accepted.explains("release", in_order(effective), "effective") and not origins <= effective

    lists = yield from read_past_lag(lambda: read_webview_lists(version.appid), lambda lists: lags(lists.effective))
    effective = lists.effective
    if effective is not None and lags(effective):
        hosts = yield from read_platform_hosts(wanted, accepted)
        missing = [domain for domain in wanted if domain.origin not in effective]
        direct = yield from _direct_past_lag(version, (), accepted)
        if hosts is None or all(domain.covered_by(hosts) or domain.origin in direct for domain in missing):
            # else it was dropped: no lag
            names = ", ".join(domain.origin for domain in missing)
            raise still_lagging("verify_release", "release", version.appid, in_order(effective), missing=names)
    if effective is None:
        if wanted:
            raise WxaTransportError(
                Text("effective_webview_domains_are_unknown"),
                **CATALOGUE["get_effective_webviewdomain"].named(version.appid),
            )
        return lists
    if not_effective := sorted(origins - effective):
        own = yield from if_known(read_own_domains(version.appid))
        raise _domains_missing(version, not_effective, effective, own)
    return lists


def guard_domains(
    version: CodeVersion, wanted: Collection[WebviewDomain], accepted: AcceptedWrites
) -> Step[tuple[frozenset[str] | None, frozenset[str] | None]]:
    """Return both lists; stop when a wanted domain is not configured any more, or the release would drop it.

    :return: the Mini Program's own list and the platform's; ``None``: no domain is wanted, or it could not be read.
    """
    if not wanted:
        return None, None
    own = yield from _own_past_lag(version, wanted, accepted)
    platform = yield from read_platform_hosts(wanted, accepted)
    gone = [domain.origin for domain in wanted if own is not None and domain.origin not in own]
    dropped = [domain.origin for domain in wanted if platform is not None and not domain.covered_by(platform)]
    if dropped:  # the direct list stays whatever the platform's holds
        direct = yield from _direct_past_lag(version, (), accepted)
        dropped = [origin for origin in dropped if origin not in direct]
    if not gone and not dropped:
        return own, platform
    raise WxaStateError(
        Text("wanted_domains_would_be_offline"),
        values={
            "not configured": ", ".join(gone) or "none",
            "not on the platform list": ", ".join(dropped) or "none",
            "configured": "unknown" if own is None else ", ".join(sorted(own)) or "none",
            "platform list": "unknown" if platform is None else ", ".join(sorted(platform)) or "none",
        },
        **CATALOGUE["setwebviewdomain"].named(version.appid, "release"),
    )


def _own_past_lag(
    version: CodeVersion, wanted: Collection[WebviewDomain], accepted: AcceptedWrites
) -> Step[frozenset[str] | None]:
    """Read the own list; if a wanted domain is missing there, with that of direct mode, which a release keeps as well.

    :raises WxaBusyError: one still is as it was before an accepted write.
    """
    origins = {domain.origin for domain in wanted}
    own_list: Watched[frozenset[str] | None] = Watched(
        "setwebviewdomain",
        version.appid,
        read=partial(read_own_domains, version.appid),
        is_done=lambda own: own is None or origins <= own,
        noted=in_order,
    )
    try:
        own = yield from own_list.settled(accepted, "release")
    except WxaApiError as error:
        direct = frozenset[str]()
        if origins and error.errcode == PLATFORM_WEBVIEW_DOMAIN_EMPTY:
            direct = yield from _direct_past_lag(version, wanted, accepted)
        if not direct:
            raise
        return direct
    if own is not None and not origins <= own:
        own |= yield from _direct_past_lag(version, [each for each in wanted if each.origin not in own], accepted)
    return own


def _direct_past_lag(
    version: CodeVersion, wanted: Collection[WebviewDomain], accepted: AcceptedWrites
) -> Step[frozenset[str]]:
    """Read the list of direct mode; empty where WeChat does not tell.

    :raises WxaError: it may tell later; or the list still is as it was before an accepted write.
    """
    origins = {domain.origin for domain in wanted}

    def read() -> Step[frozenset[str]]:
        told = yield from _unless_refused(read_own_domains(version.appid, direct=True))
        return frozenset() if told is None or isinstance(told, WxaError) else told

    direct_list = Watched(
        "setwebviewdomain_directly", version.appid, read, origins.issubset, lambda direct: {WEBVIEW: in_order(direct)}
    )
    return (yield from direct_list.settled(accepted, "release"))


def _named_if_foreign(version: CodeVersion, refused: WxaStateError) -> Step[WxaStateError]:
    """Return the error for a release that WeChat refused; somebody's newer commit is named if there is one.

    85020 was seen for a sheet that reads approved, and that nobody's commit has replaced: WeChat takes a later try.
    """
    info = yield from read_versions(version.appid)
    if info.trial is not None and not version.is_trial(info.trial):
        return foreign_trial("release", version, info, refused)
    if refused.errcode == AUDIT_STATUS_NOT_RELEASABLE and info.trial is not None:
        return WxaStateError(
            Text("release_state_is_contradictory"),
            errcode=refused.errcode,
            errmsg=refused.errmsg,
            rid=refused.rid,
            values=refused.values,
            endpoint=refused.endpoint,
            appid=refused.appid,
            retryable=True,
        )
    return refused


def _outcome(
    word: Literal["released", "already_released"],
    version: CodeVersion,
    online: OnlineVersion,
    was: Online | None,
    accepted: AcceptedWrites,
    *,
    proven: Collection[WebviewDomain],
    prove: bool,
) -> Step[ReleaseOutcome]:
    """Return the outcome with effective domains and losses, as far as they can be read if not proven.

    :param was: domains online before it; ``None``: not known.
    :param prove: nothing proves it afterwards: a loss that was not allowed is an error.
    """
    lists = (yield from _effective_proof(version, proven, accepted)) if proven else None
    effective = None if lists is None else lists.effective
    outcome = ReleaseOutcome(word, version.appid, online.version, online.time, effective=in_order(effective))
    if was is not None and prove:
        outcome = outcome.with_losses((yield from _allowed_losses(version.appid, was, lists)))
    if effective is None or (was is not None and not prove):
        now = (yield from if_known(read_online(version.appid))) or Online()
        outcome = replace(
            outcome, effective=in_order(now.effective.get(WEBVIEW)) if effective is None else outcome.effective
        )
        outcome = outcome if was is None or prove else outcome.with_losses(_losses(was, now, is_final=False))
    return outcome


def _checked_sheet(
    version: CodeVersion, sheet: AuditSheet | None, noted_auditid: str, approved_auditid: str
) -> AuditSheet:
    ours = version.is_sheet(sheet, noted_auditid)
    what = Text("latest_sheet_is_foreign")
    if sheet is not None and ours:
        if sheet.auditid != (approved_auditid or sheet.auditid):
            what = Text("approved_sheet_is_not_the_latest", approved_auditid=approved_auditid)
        elif sheet.status is not AuditStatus.APPROVED:
            what = Text(_NOT_APPROVED)
        else:
            return sheet
    after = "wait_until_approved" if ours else "submit_this_version_first"
    if sheet is not None and ours and sheet.auditid != (approved_auditid or noted_auditid or sheet.auditid):
        after = "adopt_the_newer_sheet"
    if sheet is not None and not ours and version.is_cut_off(sheet.user_version, sheet.user_desc):
        raise cut_off("release", version, sheet.user_desc)
    raise WxaStateError(
        Text("release_is_not_sent", reason=what),
        values={
            "latest sheet": sheet.user_version if sheet else "none",
            "auditid": sheet.auditid if sheet else "none",
            "its description": sheet.user_desc if sheet else "none",
            "status": sheet.status.name.lower() if sheet else "none",
            "ours": f"{version.user_version} {version.mark}",
        },
        next_step=Text(after),
        **CATALOGUE["release"].named(version.appid),
        retryable=what.key == _NOT_APPROVED and sheet is not None and sheet.status.is_open,
    )


def _not_online(
    step: str, version: CodeVersion, online: OnlineVersion | None, accepted: AcceptedWrites, *, refused: int = 0
) -> WxaApiError:
    """Return the error that names the online version; behind 85052, our sheet was released, a replica may lag."""
    lags = _online_lags(version, online, accepted)
    if lags and not refused:
        return still_lagging(step, "release", version.appid, online_as_noted(online))
    if online is not None and version.is_cut_off(online.version, online.description):
        return cut_off(step, version, online.description)
    return WxaStateError(
        Text("another_version_is_online", step=step),
        values={
            "online": online.version if online else "none",
            "its description": online.description if online else "none",
            "ours": f"{version.user_version} {version.mark}",
        },
        why=Text("somebody_else_released") if not (refused and lags) else Text("released_then_rolled_back_or_lagging"),
        **CATALOGUE["getversioninfo"].named(version.appid, step),
        errcode=refused,
        retryable=lags,  # else nobody's replica shows it: it is somebody's work
    )


def _domains_missing(
    version: CodeVersion, missing: list[str], effective: frozenset[str], own: frozenset[str] | None
) -> WxaStateError:
    configured = own is not None and own.issuperset(missing)
    return WxaStateError(
        Text("webview_domains_are_not_effective"),
        values={
            "missing": ", ".join(missing),
            "effective": ", ".join(sorted(effective)) or "none",
            "configured": "unknown" if own is None else ", ".join(sorted(own)) or "none",
        },
        why=Text("unregistered_domains_do_not_open") if not configured else Text("domains_were_configured_too_late"),
        **CATALOGUE["get_effective_webviewdomain"].named(version.appid, "verify_release"),
    )

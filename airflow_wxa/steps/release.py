"""Publishing: the approved sheet of ours and nothing else, then the proof that it and its domains are online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from airflow_wxa.api.audit import AuditStatus
from airflow_wxa.api.code import release
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import WxaBusyError, WxaError, WxaStateError, WxaTransportError
from airflow_wxa.steps.domains import read_effective_domains, read_own_domains
from airflow_wxa.steps.memory import read_latest_sheet, read_versions
from airflow_wxa.steps.outcome import ReleaseOutcome

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_wxa.api.audit import AuditSheet
    from airflow_wxa.api.code import CodeVersion, OnlineVersion
    from airflow_wxa.api.webview_domain import WebviewDomain
    from airflow_wxa.steps.outcome import Step

__all__ = ["release_version", "verify_release"]


def release_version(version: CodeVersion) -> Step[ReleaseOutcome]:
    """Publish the version, if its sheet is the latest and approved; not twice, also after a lost answer.

    85052 says that the latest approved sheet is online already. It is success only when that version is ours.

    :raises WxaStateError: the latest sheet is not ours, or not approved; or another version is online after all.
    """
    sheet = yield from read_latest_sheet(version.appid)
    _check_sheet(version, sheet)
    before = (yield from read_versions(version.appid)).online
    if before is not None and version.marked_in(before.description):
        return (yield from _outcome("already_released", version, before))
    refused = 0
    lost: WxaTransportError | WxaBusyError | None = None
    try:
        refused = (yield release(version.appid)).errcode
    except (WxaTransportError, WxaBusyError) as error:
        lost = error  # it may have been published: read, do not repeat
    online = (yield from read_versions(version.appid)).online
    if lost is not None and online == before:
        raise lost
    if online is None or not _is_ours(version, online):
        raise _another_online("release", version, online)
    return (yield from _outcome("already_released" if refused else "released", version, online))


def verify_release(
    version: CodeVersion, wanted: Collection[WebviewDomain] = (), *, individual: bool = False
) -> Step[ReleaseOutcome]:
    """Prove that the version is online and that the wanted domains are effective.

    :param individual: no domain proof: an individual's Mini Program cannot have any.
    :raises WxaStateError: another version is online, or a wanted domain is not effective; all are named.
    """
    online = (yield from read_versions(version.appid)).online
    if online is None or not _is_ours(version, online):
        raise _another_online("verify_release", version, online)
    if individual:
        return ReleaseOutcome("released", version.appid, online.version)
    effective = yield from read_effective_domains(version.appid)
    missing = sorted({domain.origin for domain in wanted} - effective)
    if missing:
        own = yield from _own_if_known(version.appid)
        raise _domains_missing(version, missing, effective, own)
    return ReleaseOutcome("released", version.appid, online.version, effective=tuple(sorted(effective)))


def _is_ours(version: CodeVersion, online: OnlineVersion) -> bool:
    """Tell whether the online version is ours; ``release_version`` came back empty once, then the mark decides."""
    if "[wxa:" in online.description or not online.version:
        return version.marked_in(online.description)
    return online.version == version.user_version


def _outcome(
    word: Literal["released", "already_released"], version: CodeVersion, online: OnlineVersion
) -> Step[ReleaseOutcome]:
    """Return the outcome with the effective domains as far as they can be read."""
    try:
        effective = tuple(sorted((yield from read_effective_domains(version.appid))))
    except WxaError:
        effective = None
    return ReleaseOutcome(word, version.appid, online.version, effective=effective)


def _own_if_known(appid: str) -> Step[frozenset[str] | None]:
    try:
        return (yield from read_own_domains(appid))
    except WxaError:
        return None


def _check_sheet(version: CodeVersion, sheet: AuditSheet | None) -> None:
    if sheet is not None and sheet.status is AuditStatus.APPROVED and version.marked_in(sheet.user_desc):
        return
    ours = sheet is not None and version.marked_in(sheet.user_desc)
    raise WxaStateError(
        "release not sent: "
        + (
            "the audit sheet of this version is not approved"
            if ours
            else "the latest audit sheet is not of this version"
        ),
        values={
            "latest sheet": sheet.user_version if sheet else "none",
            "its description": sheet.user_desc if sheet else "none",
            "status": sheet.status.name.lower() if sheet else "none",
            "ours": f"{version.user_version} {version.mark}",
        },
        why="release publishes the last approved sheet, whoever submitted it.",
        next_step="wait with WxaAuditSensor until it is approved"
        if ours
        else "run commit (WxaCommitOperator) and submit_audit (WxaSubmitAuditOperator) for this version first",
        source=CATALOGUE["release"].source,
        endpoint="release",
        appid=version.appid,
    )


def _another_online(step: str, version: CodeVersion, online: OnlineVersion | None) -> WxaStateError:
    return WxaStateError(
        f"{step} stopped: another version is online than the one released",
        values={
            "online": online.version if online else "none",
            "its description": online.description if online else "none",
            "ours": f"{version.user_version} {version.mark}",
        },
        why="Somebody else released, or rolled back, this Mini Program.",
        next_step="agree with whoever released the version named above; to publish ours, run the release again",
        source=CATALOGUE["getversioninfo"].source,
        endpoint=step,
        appid=version.appid,
    )


def _domains_missing(
    version: CodeVersion, missing: list[str], effective: frozenset[str], own: frozenset[str] | None
) -> WxaStateError:
    configured = own is not None and own.issuperset(missing)
    return WxaStateError(
        "verify_release: the version is online, but wanted business domains are not effective",
        values={
            "missing": ", ".join(missing),
            "effective": ", ".join(sorted(effective)) or "none",
            "configured": "unknown" if own is None else ", ".join(sorted(own)) or "none",
        },
        why="At release WeChat keeps only domains that the platform's list still holds; others do not open."
        if not configured
        else "Domains that were configured after the release become effective with the next release only.",
        next_step="these domains need a new version: register them on the platform list "
        "(WxaModifyPlatformDomainOperator), configure them, then release a new user_version",
        source=CATALOGUE["get_effective_webviewdomain"].source,
        endpoint="verify_release",
        appid=version.appid,
    )

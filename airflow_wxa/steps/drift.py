"""Drift of a Mini Program's business domains: wanted, configured, registered on the platform, effective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.errcodes import INDIVIDUAL_NOT_SUPPORTED
from airflow_wxa.api.webview_domain import WebviewDomain, is_permitted
from airflow_wxa.errors import WxaApiError, WxaError
from airflow_wxa.steps.account import read_name
from airflow_wxa.steps.domains import read_own_domains
from airflow_wxa.steps.online import read_webview_lists
from airflow_wxa.steps.outcome import DriftOutcome, Step, in_order
from airflow_wxa.steps.remote_state import if_known, read_versions

if TYPE_CHECKING:
    from collections.abc import Collection


#: What is found, by the names of :class:`DriftOutcome`.
FINDINGS: Final = ("missing", "too_many", "unregistered", "not_effective")


def domain_drift(
    appid: str, wanted: Collection[WebviewDomain], whole: bool, hosts: Collection[str] | None, *, direct: bool = False
) -> Step[DriftOutcome]:
    """Compare, and read name and online version as well; nothing is written, and an unread list is an outcome, too.

    :param whole: ``wanted`` and no other domain.
    :param hosts: the platform's list; ``None``: not known.
    :param direct: compare the list of direct mode, which the platform's does not concern.
    """
    versions = yield from if_known(read_versions(appid))
    facts: dict[str, Any] = {"name": (yield from read_name(appid))}
    if versions is not None and versions.online is not None:
        facts |= {"release_version": versions.online.version, "release_time": versions.online.time}
    try:
        own = yield from read_own_domains(appid, direct=direct)
        effective = (yield from read_webview_lists(appid)).effective
    except WxaError as error:
        if isinstance(error, WxaApiError) and error.errcode == INDIVIDUAL_NOT_SUPPORTED and not wanted:
            return DriftOutcome("as_wanted", appid, **facts)  # an individual's: it has none
        return DriftOutcome("not_read", appid, what=error.what, **facts)
    facts |= {"own": in_order(own), "effective": in_order(effective)}
    origins = {domain.origin for domain in wanted}
    no_matter = direct or hosts is None
    registered = {each for each in own or () if no_matter or is_permitted(each, hosts or ())}
    found = DriftOutcome(
        "differs",
        appid,
        missing=in_order(origins - own) if own is not None else (),
        too_many=in_order(own - origins) if whole and own is not None else (),
        unregistered=in_order((own or frozenset()) - registered),
        not_effective=in_order((origins or own or frozenset()) - effective) if effective is not None else (),
        **facts,
    )
    if any(getattr(found, name) for name in FINDINGS):
        return found
    if own is None or effective is None:
        return DriftOutcome("not_read", appid, what="WeChat did not say", **facts)
    return DriftOutcome("as_wanted", appid, **facts)

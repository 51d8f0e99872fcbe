"""Answers of WeChat about the version that a release under test is about, and about a foreign one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.sandbox.testing import APPID

if TYPE_CHECKING:
    from airflow_wxa.api.webview_domain import WebviewDomain

NO_SHEET: Final = 85058
QUOTA: Final = {"errcode": 0, "rest": 8, "limit": 27}
ACCEPTED: Final = {"errcode": 0, "auditid": 1234567}
APPROVED, REJECTED, AUDITING, WITHDRAWN, DELAYED = range(5)
VERSION: Final = CodeVersion.of(APPID, 47, "1.4.0", {"ext": {"shop": "8016"}})
OURS: Final = {"user_version": "1.4.0", "user_desc": VERSION.described("release 1.4.0")}
FOREIGN: Final = {"user_version": "9.9.9", "user_desc": "their release [wxa:0badcafe]"}


def versions(trial: dict[str, str] | None = None, online: dict[str, str] | None = None) -> dict[str, Any]:
    """Return an answer of getversioninfo."""
    info: dict[str, Any] = {"errcode": 0}
    if trial:
        info["exp_info"] = {"exp_version": trial["user_version"], "exp_desc": trial["user_desc"], "exp_time": 1}
    if online:
        info["release_info"] = {
            "release_version": online["user_version"],
            "release_desc": online["user_desc"],
            "release_time": 2,
        }
    return info


def a_sheet(whose: dict[str, str], status: int, auditid: int = 1234567) -> dict[str, Any]:
    """Return an answer of get_latest_auditstatus."""
    return {"errcode": 0, "auditid": auditid, "status": status, **whose}


def own(*domains: WebviewDomain) -> dict[str, Any]:
    """Return an answer of setwebviewdomain."""
    return {"errcode": 0, "errmsg": "ok", "webviewdomain": [domain.origin for domain in domains]}


def effective(*domains: WebviewDomain) -> dict[str, Any]:
    """Return an answer of get_effective_webviewdomain, with WeChat's slashes."""
    return {"errcode": 0, "effective_webviewdomain": [f"{domain.origin}/" for domain in domains]}


def platform(*hosts: str) -> dict[str, Any]:
    """Return an answer of modify_wxa_jump_domain, the same in both versions."""
    return {"testing_wxa_jump_h5_domain": ";".join(hosts), "published_wxa_jump_h5_domain": ";".join(hosts)}


def to_commit(*looks: dict[str, Any], sheet: Any = NO_SHEET, said: Any = 0) -> dict[str, list[Any]]:
    """Return the answers to a commit: each look at the versions, the latest sheet, and what ``commit`` says.

    :param said: ``None``: it is not sent.
    """
    sent = {} if said is None else {"commit": [said]}
    return {"getversioninfo": list(looks), "get_latest_auditstatus": [sheet], **sent}


def to_submit_audit(*sheets: Any, said: Any = ACCEPTED, trial: Any = OURS, quota: Any = QUOTA) -> dict[str, list[Any]]:
    """Return the answers to a submission: each look at the latest sheet, and what ``submit_audit`` says.

    :param said: ``None``: it is not sent.
    :param trial: the version on trial; ``quota``: what ``queryquota`` says, ``None``: it is not asked.
    """
    told = {"getversioninfo": versions(trial), "queryquota": quota, "submit_audit": said}
    return {"get_latest_auditstatus": list(sheets)} | {name: [each] for name, each in told.items() if each is not None}


def to_release(*looks: dict[str, Any], said: Any = 0) -> dict[str, list[Any]]:
    """Return the answers to a release of our approved sheet: each look at the versions, and what ``release`` says."""
    return {"get_latest_auditstatus": [a_sheet(OURS, APPROVED)], "getversioninfo": list(looks), "release": [said]}

"""Answers of WeChat about the version that a release under test is about, and about a foreign one."""

from typing import Any, Final

from airflow_wxa.api.audit import AuditStatus
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.sandbox.testing import APPID

#: Raised by a client when no answer came: the work may have been done.
LOST: Final = WxaTransportError("got no answer: the connection broke")
NO_SHEET: Final = 85058
#: Words of a sheet that is in audit, that leads somewhere, and that has ended.
OPEN, LIVE, ENDED = ("auditing", "delayed"), ("auditing", "delayed", "approved"), ("rejected", "withdrawn")
QUOTA: Final = {"errcode": 0, "rest": 8, "limit": 27}
ACCEPTED: Final = {"errcode": 0, "auditid": 1234567}
VERSION: Final = CodeVersion.of(APPID, 47, "1.4.0", {"ext": {"shop": "8016"}})
OURS: Final = {"user_version": "1.4.0", "user_desc": VERSION.described("release 1.4.0")}
FOREIGN: Final = {"user_version": "9.9.9", "user_desc": "their release [wxa:0badcafe]"}
#: Somebody else's build under our own version number, and how an error names it.
FORGED = {"user_version": "1.4.0", "user_desc": "release 1.4.0 [wxa:0badcafe]"}
NAMES_FORGED = r"[\s\S]*1\.4\.0[\s\S]*its description release 1\.4\.0 .wxa:0badcafe"


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


def sheet(whose: dict[str, str], status: str, auditid: int = 1234567) -> dict[str, Any]:
    """Return an answer of get_latest_auditstatus."""
    return {"errcode": 0, "auditid": auditid, "status": AuditStatus[status.upper()], **whose}


APPROVED: Final = sheet(OURS, "approved")
IN_AUDIT: Final = sheet(OURS, "auditing")
THEIRS: Final = sheet(FOREIGN, "auditing")


def own(*domains: WebviewDomain) -> dict[str, Any]:
    """Return an answer of setwebviewdomain."""
    return {"errcode": 0, "errmsg": "ok", "webviewdomain": [domain.origin for domain in domains]}


def effective(*domains: WebviewDomain) -> dict[str, Any]:
    """Return an answer of get_effective_webviewdomain, with WeChat's slashes."""
    return {"errcode": 0, "effective_webviewdomain": [f"{domain.origin}/" for domain in domains]}


def platform(*hosts: str) -> dict[str, Any]:
    """Return an answer of modify_wxa_jump_domain, the same in both versions."""
    return {"testing_wxa_jump_h5_domain": ";".join(hosts), "published_wxa_jump_h5_domain": ";".join(hosts)}

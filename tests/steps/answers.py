"""Answers of WeChat about the version that a release under test is about, and about a foreign one."""

from collections.abc import Collection
from typing import Any, Final

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import (
    NOTHING_ACCEPTED,
    AcceptedWrites,
    CommitOutcome,
    ReleaseOutcome,
    Submission,
    SubmitOutcome,
    commit_code,
    release_version,
    submit_version,
    verify_release,
)
from tests.steps.conftest import Script

#: Raised by a client when no answer came: the work may have been done.
LOST: Final = WxaTransportError("got no answer: the connection broke")
NO_SHEET: Final = 85058
QUOTA: Final = {"errcode": 0, "rest": 8, "limit": 27}
ACCEPTED: Final = {"errcode": 0, "auditid": 1234567}
APPROVED, REJECTED, AUDITING, WITHDRAWN, DELAYED = range(5)
VERSION: Final = CodeVersion.of(APPID, 47, "1.4.0", {"ext": {"shop": "8016"}})
OURS: Final = {"user_version": "1.4.0", "user_desc": VERSION.described("release 1.4.0")}
NAMELESS: Final = {"user_version": "", "user_desc": ""}
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


APPROVED_SHEET: Final = a_sheet(OURS, APPROVED)
IN_AUDIT: Final = a_sheet(OURS, AUDITING)
THEIRS: Final = a_sheet(FOREIGN, AUDITING)
PLAIN: Final = Submission()


def own(*domains: WebviewDomain) -> dict[str, Any]:
    """Return an answer of setwebviewdomain."""
    return {"errcode": 0, "errmsg": "ok", "webviewdomain": [domain.origin for domain in domains]}


def effective(*domains: WebviewDomain) -> dict[str, Any]:
    """Return an answer of get_effective_webviewdomain, with WeChat's slashes."""
    return {"errcode": 0, "effective_webviewdomain": [f"{domain.origin}/" for domain in domains]}


def platform(*hosts: str) -> dict[str, Any]:
    """Return an answer of modify_wxa_jump_domain, the same in both versions."""
    return {"testing_wxa_jump_h5_domain": ";".join(hosts), "published_wxa_jump_h5_domain": ";".join(hosts)}


def commits(
    script: Script, *looks: dict[str, Any], sheets: Any = NO_SHEET, said: Any = 0, withdraw: bool = False, **more: Any
) -> CommitOutcome:
    """Commit our version while WeChat answers so: each look at the versions, the latest sheet, and the commit.

    :param said: ``None``: it is not sent; so in all of these.
    """
    step = commit_code(VERSION, "release 1.4.0", withdraw_foreign_audit=withdraw)
    return script.play(step, looks=looks, sheets=sheets, **_sent(commit=said), **more)


def submits(
    script: Script,
    *sheets: Any,
    how: Submission = PLAIN,
    said: Any = ACCEPTED,
    trial: Any = OURS,
    quota: Any = QUOTA,
    **more: Any,
) -> SubmitOutcome:
    """Submit our version while WeChat answers so: each look at the latest sheet, and the submission.

    :param trial: the version on trial; ``"unasked"``: it is not looked at. ``quota``: likewise with ``None``.
    """
    looks = {} if trial == "unasked" else {"looks": versions(trial)}
    asked = _sent(submit_audit=said, queryquota=quota)
    return script.play(submit_version(VERSION, how), sheets=sheets, **looks, **asked, **more)


def releases(
    script: Script,
    *looks: dict[str, Any],
    wanted: Collection[WebviewDomain] = (),
    said: Any = 0,
    sheets: Any = APPROVED_SHEET,
    prove: bool = False,
    noted: str = "",
    **more: Any,
) -> ReleaseOutcome:
    """Release our version while WeChat answers so: each look at the versions, the latest sheet, and the release."""
    step = release_version(VERSION, wanted, prove=prove, noted_auditid=noted)
    return script.play(step, looks=looks, sheets=sheets, **_sent(release=said), **more)


def verifies(
    script: Script,
    *effective: Any,
    wanted: Collection[WebviewDomain] = (),
    online: Any = OURS,
    known: AcceptedWrites = NOTHING_ACCEPTED,
    own: Any = (),
    hosts: Any = (),
    **how: Any,
) -> ReleaseOutcome:
    """Verify the release of our version while WeChat answers so: each look at the effective domains."""
    looks = versions(None, online)
    step = verify_release(VERSION, wanted, **how)
    return script.play(step, known, looks=looks, effective=effective, own=own, hosts=hosts)


def _sent(**said: Any) -> dict[str, Any]:
    return {name: each for name, each in said.items() if each is not None}

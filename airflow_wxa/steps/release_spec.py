"""What one release is asked to do: the params of ``wxa_release``, checked as a whole before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_wxa.api.appid import APPID
from airflow_wxa.api.code import CodeVersion, is_text, version_problems
from airflow_wxa.api.webview_domain import (
    WebviewDomain,
    host_problems,
    normalised_hosts,
    origin_problems,
    parse_origins,
)
from airflow_wxa.errors import WxaSpecError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_wxa.api.webview_domain import Action

__all__ = ["DOMAIN_ACTIONS", "ReleaseSpec", "refuse", "release_problems"]

#: The words of the param ``domain_action``; ``all`` leaves WeChat's field out.
DOMAIN_ACTIONS: Final[Mapping[str, Action]] = {
    "add": "add",
    "set": "set",
    "delete": "delete",
    "get": "get",
    "all": None,
}
_LISTED: Final = ("add", "set", "delete")
_LONGEST_WAIT: Final = 24 * 365  # hours


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """A release that can be asked for.

    :param wanted: the domains that ``action`` is about, sorted.
    :param platform_hosts: what 89020 with ``register`` registers: as named, else the hosts of ``wanted``.
    """

    version: CodeVersion
    action: Action
    wanted: tuple[WebviewDomain, ...]
    platform_hosts: tuple[str, ...]

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> ReleaseSpec:
        """Read the params of a run.

        :raises WxaSpecError: every problem of all params together.
        """
        refuse(release_problems(params))
        wanted = parse_origins(params["webviewdomain"])
        return cls(
            version=CodeVersion.of(
                params["appid"], params["template_id"], params["user_version"], params.get("ext_json") or {}
            ),
            action=DOMAIN_ACTIONS[params["domain_action"]],
            wanted=wanted,
            platform_hosts=tuple(sorted(normalised_hosts(params.get("platform_domains") or [d.host for d in wanted]))),
        )


def release_problems(params: Mapping[str, Any]) -> list[str]:
    """Return everything that is wrong with the params of a run, one line each; empty when nothing is."""
    return [*_form_problems(params), *_domain_problems(params)]


def refuse(problems: Sequence[str]) -> None:
    """Raise all problems together; do nothing when there are none.

    :raises WxaSpecError: there are some.
    """
    if problems:
        raise WxaSpecError(
            "this release cannot be started as it was asked for",
            problems,
            why="Each line names a param or a Connection, and what cannot be right about it.",
            next_step="correct all of them and trigger a new run: the params of a run do not change",
            source="airflow-wxa docs domains-first",
        )


def _form_problems(params: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with single params, whatever the others say."""
    appid = params.get("appid")
    problems = []
    if not isinstance(appid, str) or not APPID.fullmatch(appid):
        problems.append(f"appid = {shown(repr(appid))}: must be wx and 16 hex digits in lower case")
    problems += version_problems(
        appid, params.get("template_id"), params.get("user_version"), params.get("ext_json", {})
    )
    for name, (fits, rule) in _RULES.items():
        if not fits(params.get(name)):
            problems.append(f"{name} = {shown(repr(params.get(name)))}: must be {rule}")
    return problems


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_Rule: TypeAlias = "tuple[Callable[[Any], bool], str]"


def _choice(*words: str) -> _Rule:
    return (lambda value: value in words), f"one of {', '.join(words)}"


_FLAG: Final[_Rule] = _is_flag, "true or false"
_OTHER_FLAG: Final[_Rule] = (lambda value: value is None or _is_flag(value)), "true or false"
_TEXT: Final[_Rule] = (lambda value: value is None or is_text(value)), "a text"
#: Param → what it has to be; those that may be left out take ``None``.
_RULES: Final[Mapping[str, _Rule]] = {
    "domain_action": _choice(*DOMAIN_ACTIONS),
    "on_platform_list_empty": _choice("stop", "register"),
    "on_individual": _choice("release_without_domains", "stop"),
    "privacy_api_not_use": _FLAG,
    "approval": _FLAG,
    "release": _FLAG,
    "withdraw_foreign_audit": _OTHER_FLAG,
    "approver_must_differ": _OTHER_FLAG,
    "approvers": (
        lambda value: (
            value is None or (isinstance(value, list | tuple) and all(is_text(each) and each for each in value))
        ),
        "a list of user ids",
    ),
    "audit_quota_reserve": (
        lambda value: value is None or (_is_number(value) and value == int(value) >= 0),
        "a whole number, 0 or more",
    ),
    "user_desc": _TEXT,
    "version_desc": _TEXT,
    "platform_conn_id": _TEXT,
    "wxa_conn_id": _TEXT,
    "audit_timeout_hours": (
        lambda value: _is_number(value) and 0 < value <= _LONGEST_WAIT,
        f"a number of hours above 0, at most {_LONGEST_WAIT}",
    ),
}


def _domain_problems(params: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the domains, and with params that do not fit each other."""
    texts, action = params.get("webviewdomain"), params.get("domain_action")
    hosts = params.get("platform_domains") or []
    register = params.get("on_platform_list_empty") == "register"
    problems = [
        f"{name} = {shown(repr(value))}: must be a list"
        for name, value in (("webviewdomain", texts), ("platform_domains", hosts))
        if not isinstance(value, list | tuple)
    ]
    if problems:
        return problems
    problems += [f"webviewdomain: {problem}" for text in texts or () for problem in origin_problems(text)]
    problems += [f"platform_domains: {problem}" for host in hosts for problem in host_problems(host)]
    if action in _LISTED and not texts:
        problems.append(f"webviewdomain = []: domain_action {action} needs at least one, such as https://m.example.com")
    if action in ("get", "all") and texts:
        problems.append(f"webviewdomain = {shown(repr(texts))}: domain_action {action} takes none, leave it empty")
    if register and action not in ("add", "set"):
        problems.append(f"on_platform_list_empty = 'register': goes with domain_action add or set, not {action!r}")
    if register and hosts and not problems:
        registered = normalised_hosts(hosts)
        problems += [
            f"webviewdomain: {domain.origin!r} is covered by none of platform_domains = {sorted(registered)}"
            for domain in parse_origins(texts or ())
            if not domain.covered_by(registered)
        ]
    return problems

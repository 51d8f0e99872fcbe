"""Params of one release, read once and checked as a whole before anything is sent."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.code import CodeVersion, version_problems
from airflow_wxa.api.server_domain import read_server_domains
from airflow_wxa.api.values import APPID
from airflow_wxa.api.webview_domain import parse_origins, read_hosts, read_origins
from airflow_wxa.errors import WxaSpecError, problem, problem_at, shown
from airflow_wxa.release.fields import DOMAIN_ACTIONS, FIELDS
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_wxa.api.server_domain import DomainLists
    from airflow_wxa.api.webview_domain import Action, WebviewDomain

_VERSION: Final = ("appid", "template_id", "user_version", "ext_json")
_ONLINE_AFTER: Final = ("add", "set")  # actions whose domains have to be online behind a release
_DOMAINS: Final = ("webviewdomain", "platform_domains")


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """A release that can be asked for.

    :param version: the version to commit.
    :param action: WeChat's, for ``domain_action``.
    :param wanted: the domains that ``action`` is about, sorted.
    :param platform_hosts: hosts that 89020 with ``register`` registers: as named, else those of ``wanted``.
    :param params: every field by its name, with the defaults of those that were left out.
    """

    version: CodeVersion
    action: Action
    wanted: tuple[WebviewDomain, ...]
    platform_hosts: tuple[str, ...]
    params: Mapping[str, Any]

    @property
    def is_direct(self) -> bool:
        """Whether the business domains are set in direct mode, past the platform's list."""
        return bool(self.params["domain_mode"] == "direct")

    @property
    def server_domains(self) -> tuple[str, DomainLists] | None:
        """The action and the domains by kind; ``None``: not asked for."""
        given = dict(self.params["server_domains"])
        action = given.pop("action", "add")
        return (action, read_server_domains(given)[0]) if given else None

    def effective(self, after: Sequence[str] | None, *, individual: bool) -> tuple[WebviewDomain, ...]:
        """Return the business domains that must be effective behind the release.

        :param after: origins, as they were read back; if ``all`` is asked for, they are those of the platform.
        :param individual: an individual owns the Mini Program, and a release has none.
        """
        if individual:
            return ()
        if self.action is None:
            return tuple(parse_origins(after or ()))
        return self.wanted if self.action in _ONLINE_AFTER else ()

    @property
    def effective_server_domains(self) -> DomainLists:
        """The server domains by kind that must be effective behind the release."""
        action, lists = self.server_domains or ("", {})
        return lists if action in _ONLINE_AFTER else {}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> ReleaseSpec:
        """Read the params of a run.

        :raises WxaSpecError: every problem of all params together.
        """
        spec, problems = read_release(params)
        if spec is None:
            raise _refusal(problems)
        return spec


def read_release(params: Mapping[str, Any]) -> tuple[ReleaseSpec | None, list[str]]:
    """Read what a release is asked to do.

    :param params: by the names of :data:`~airflow_wxa.release.FIELDS`; a field that is left out has its default, a
        key that is no field is not looked at.
    :return: the release, and everything that is wrong with it: a line each, which begins with the name of the field.
        There is no release when there is a problem.
    """
    asked = {name: params[name] if name in params else deepcopy(field.default) for name, field in FIELDS.items()}
    given = [field for name, field in FIELDS.items() if name in params]  # a default is right
    plain = [field for field in given if field.name not in (*_VERSION, *_DOMAINS)]
    problems = [problem for field in plain for problem in field.problems(asked[field.name])]
    if not isinstance(asked["appid"], str) or not APPID.fullmatch(asked["appid"]):
        problems.append(f"appid = {shown(repr(asked['appid']))}: must be {FIELDS['appid'].must}")
    problems += version_problems(*(asked[name] for name in _VERSION))
    wanted, hosts, wrong = _read_domains(asked)
    problems += wrong
    problems += _server_domain_problems(asked["server_domains"])
    if problems:
        return None, problems
    return ReleaseSpec(
        version=CodeVersion(asked["appid"], str(int(asked["template_id"])), asked["user_version"], asked["ext_json"]),
        action=DOMAIN_ACTIONS[asked["domain_action"]],
        wanted=wanted,
        platform_hosts=hosts or tuple(domain.host for domain in wanted),
        params=asked,
    ), []


def domain_problems(params: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the params of a release that are about business domains; empty when nothing is.

    :param params: ``domain_action``, ``domain_mode``, ``webviewdomain``, ``platform_domains`` and
        ``on_platform_list_empty``; others are not looked at.
    """
    return _read_domains(params)[2]


def refuse(problems: Sequence[str]) -> None:
    """Raise all problems together; do nothing when there are none.

    :raises WxaSpecError: there are some.
    """
    if problems:
        raise _refusal(problems)


def _refusal(problems: Sequence[str]) -> WxaSpecError:
    return WxaSpecError(Text("release_params_are_refused"), problems)


def _server_domain_problems(asked: Any) -> list[str]:
    """Return what is wrong with server domains beyond their schema."""
    if not isinstance(asked, dict) or not asked:
        return []
    given = {kind: texts for kind, texts in asked.items() if kind != "action" and isinstance(texts, list)}
    _, wrong = read_server_domains(given)
    if not any(given.values()):
        wrong.append(problem_at(shown(repr(asked)), Text("names_no_domain")))
    return [problem_at("server_domains", each) for each in wrong]


def _read_domains(asked: Mapping[str, Any]) -> tuple[tuple[WebviewDomain, ...], tuple[str, ...], list[str]]:
    """Return the wanted domains and the hosts to register, and their problems, each alone and together."""
    no_lists = [name for name in _DOMAINS if not isinstance(asked[name], list)]
    if no_lists:
        return (), (), [problem for name in no_lists for problem in FIELDS[name].problems(asked[name])]
    texts, hosts = (asked[name] for name in _DOMAINS)
    action, register = asked["domain_action"], asked["on_platform_list_empty"] == "register"
    wanted, wrong_origins = read_origins(texts)
    registered, wrong_hosts = read_hosts(hosts)
    problems: list[str] = [problem_at("webviewdomain", each) for each in wrong_origins]
    problems += [problem_at("platform_domains", each) for each in wrong_hosts]
    if action in ("add", "set", "delete") and not texts:
        problems.append(problem("webviewdomain", texts, Text("domain_action_takes", "some", action=action)))
    if action in ("get", "all") and texts:
        problems.append(problem("webviewdomain", texts, Text("domain_action_takes", "none", action=action)))
    if asked["domain_mode"] == "direct" and (register or action == "all"):
        wrong = ("on_platform_list_empty", "register") if register else ("domain_action", "all")
        problems.append(problem(*wrong, Text("goes_not_with_direct")))
    if register and action not in ("add", "set"):
        goes = Text("goes_with_add_or_set", action=repr(action))
        problems.append(problem("on_platform_list_empty", "register", goes))
    if register and hosts and not problems:
        bare, named = (domain for domain in wanted if not domain.covered_by(registered)), str(list(registered))
        problems += [
            problem_at("webviewdomain", Text("origin_is_not_covered", origin=repr(domain.origin), hosts=named))
            for domain in bare
        ]
    return wanted, registered, problems

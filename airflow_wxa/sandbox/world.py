"""The whole emulated WeChat: platforms, their template libraries, their merchants; to and from JSON."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_wxa.sandbox.state import AuditPlan, AuditSheet, MiniProgram, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Template:
    """One entry of a template library.

    :param pages: page paths of the package, ``pages/index/index``.
    :param template_type: 0 ordinary, 1 standard (takes only ``extAppid``, ``ext`` and ``window``).
    """

    template_id: int
    pages: list[str] = field(default_factory=lambda: ["pages/index/index", "pages/order/list"])
    template_type: int = 0


@dataclass(kw_only=True, slots=True)
class Platform:
    """A third-party platform (第三方平台).

    :param testing: hosts of the testing version of its business-domain list.
    :param published: hosts of the published version; None when the platform was never published.
    :param unverifiable: hosts whose verification file cannot be fetched.
    :param confirm_file: name and content of the verification file.
    :param audit_limit: submissions a month.
    :param audit_rest: submissions left this month; None starts with all of them.
    :param ip_allowed: False answers 61004, as for a caller that is not in the IP allow list.
    :param templates: its own library, beside what the world offers to every platform.
    """

    component_appid: str
    component_access_token: str = field(default="", repr=False, metadata={"secret": True})
    testing: list[str] = field(default_factory=list)
    published: list[str] | None = field(default_factory=list)
    unverifiable: set[str] = field(default_factory=set)
    confirm_file: tuple[str, str] = ("AbCdEf1234.txt", "0123456789abcdef0123456789abcdef")
    audit_limit: int = 100
    audit_rest: int | None = None
    speedup_limit: int = 0
    speedup_rest: int = 0
    ip_allowed: bool = True
    templates: list[Template] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audit_rest = self.audits_left

    @property
    def registered(self) -> list[str]:
        """The list merchants are checked against.

        WeChat does not write down which version counts. Developers' reports of 89021 after a change of the testing
        version alone fit the published one, where there is one.
        """
        return self.testing if self.published is None else self.published

    @property
    def audits_left(self) -> int:
        """Submissions left this month."""
        return self.audit_limit if self.audit_rest is None else self.audit_rest


Account = Platform | MiniProgram


@dataclass(kw_only=True, slots=True)
class World:
    """Everything the sandbox remembers, changed by calls and by tests alike.

    :param templates: held by every platform's library.
    :param get_refuses: whether ``action=get`` of setwebviewdomain already answers 89020 and 89231, or only writes do;
        WeChat's pages leave it open.
    :param get_lists: whether ``action=get`` answers ``webviewdomain``; clients read it, no page promises it.
    :param webviewdomain_limit: origins of one Mini Program before 89029 (WeChat's texts say 100, 200 and 300).
    :param platform_domain_limit: hosts of one platform list before 65316.
    :param expired_tokens: tokens that answer 42001.
    :param next_auditid: number of the next audit sheet; they count up.
    :param clock: epoch seconds of every timestamp; not part of the JSON.
    """

    platforms: list[Platform] = field(default_factory=list)
    mini_programs: list[MiniProgram] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    get_refuses: bool = True
    get_lists: bool = True
    webviewdomain_limit: int = 300
    platform_domain_limit: int = 300
    expired_tokens: set[str] = field(default_factory=set, repr=False, metadata={"secret": True})
    next_auditid: int = 400000001
    clock: Callable[[], float] = field(default=time.time, repr=False, compare=False)
    _owners: dict[str, Account] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        appids = [appid_of(account) for account in self.accounts()]
        doubled = sorted(appid for appid, times in Counter(appids).items() if times > 1)
        known = {platform.component_appid for platform in self.platforms}
        orphans = [each.appid for each in self.mini_programs if each.component_appid not in known]
        if doubled or orphans:
            raise ValueError(f"appids used twice: {doubled}; Mini Programs without a platform: {orphans}")

    def accounts(self) -> list[Account]:
        """Return every platform and every Mini Program."""
        return [*self.platforms, *self.mini_programs]

    def now(self) -> int:
        """Return the time in whole epoch seconds, as WeChat stamps it."""
        return int(self.clock())

    def platform(self, component_appid: str) -> Platform:
        """Return a platform.

        :raises KeyError: there is none of this appid.
        """
        for platform in self.platforms:
            if platform.component_appid == component_appid:
                return platform
        raise KeyError(component_appid)

    def mini_program(self, appid: str) -> MiniProgram:
        """Return a Mini Program.

        :raises KeyError: there is none of this appid.
        """
        for mini_program in self.mini_programs:
            if mini_program.appid == appid:
                return mini_program
        raise KeyError(appid)

    def platform_of(self, account: Account) -> Platform:
        """Return the platform that acts: the account itself, or the one a Mini Program authorised."""
        return account if isinstance(account, Platform) else self.platform(account.component_appid)

    def owner(self, token: str) -> Account | None:
        """Return whose token this is now; None for an unknown or replaced one."""
        found = self._owners.get(token)
        if found is None or token_of(found) != token:
            # Tests may set a new token at any time, so the index is rebuilt when it does not answer.
            self._owners = {token_of(account): account for account in self.accounts()}
            self._owners.pop("", None)
            found = self._owners.get(token)
        return found

    def tokens(self) -> set[str]:
        """Return every token this world knows, expired ones included: the words that nothing may show."""
        current = {token_of(account) for account in self.accounts()}
        return (current | self.expired_tokens) - {""}

    def template(self, platform: Platform, template_id: int) -> Template | None:
        """Return a template of a platform's library; None when it does not hold it."""
        library = (*platform.templates, *self.templates)
        return next((each for each in library if each.template_id == template_id), None)

    def take_auditid(self) -> int:
        """Return the next audit sheet's number."""
        self.next_auditid += 1
        return self.next_auditid - 1

    def become(self, other: World) -> None:
        """Take over the state of another world in place; the clock stays."""
        for each in fields(self):
            if each.init and each.name != "clock":
                setattr(self, each.name, getattr(other, each.name))
        self._owners = {}

    def to_json(self, *, tokens: bool = False) -> Json:
        """Return the state as JSON values, which :meth:`from_json` reads.

        :param tokens: include tokens, for seeding another sandbox; never set where someone may look.
        """
        plain: Json = _plain(self, tokens=tokens)
        return plain

    @classmethod
    def from_json(cls, data: Json) -> World:
        """Build a world from JSON values.

        :raises ValueError: a name that is no field, or a field that is missing.
        """
        nested: dict[str, Callable[[Any], Any]] = {
            "platforms": lambda items: [_platform(item) for item in items],
            "mini_programs": lambda items: [_mini_program(item) for item in items],
            "templates": _templates,
            "expired_tokens": set,
        }
        return _build(cls, data, nested)


def token_of(account: Account) -> str:
    """Return the token an account answers to; empty when it has none."""
    if isinstance(account, Platform):
        return account.component_access_token
    return account.authorizer_access_token


def appid_of(account: Account) -> str:
    """Return the appid of a platform or a Mini Program."""
    return account.component_appid if isinstance(account, Platform) else account.appid


def _plain(value: Any, *, tokens: bool) -> Any:
    if is_dataclass(value):
        shown = (
            each
            for each in fields(value)
            if each.init and each.name != "clock" and (tokens or not each.metadata.get("secret"))
        )
        return {each.name: _plain(getattr(value, each.name), tokens=tokens) for each in shown}
    if isinstance(value, dict):
        return {name: _plain(item, tokens=tokens) for name, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, tokens=tokens) for item in value]
    return value


def _build(cls: type[T], data: Any, nested: dict[str, Callable[[Any], Any]]) -> T:
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__} wants an object, got {type(data).__name__}")  # noqa: TRY004
    if "clock" in data:
        raise ValueError(f"{cls.__name__}: a clock is no JSON value")
    try:
        return cls(**{name: nested.get(name, _as_is)(value) for name, value in data.items()})
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error


def _as_is(value: Any) -> Any:
    return value


def _templates(items: list[Json]) -> list[Template]:
    return [_build(Template, item, {}) for item in items]


def _platform(data: Json) -> Platform:
    return _build(Platform, data, {"unverifiable": set, "confirm_file": tuple, "templates": _templates})


def _mini_program(data: Json) -> MiniProgram:
    return _build(MiniProgram, data, {"granted_sets": set, "audit": _plan, "sheets": _sheets})


def _plan(data: Json) -> AuditPlan:
    return _build(AuditPlan, data, {})


def _sheets(items: list[Json]) -> list[AuditSheet]:
    return [_build(AuditSheet, item, {"plan": _plan, "stage": Stage}) for item in items]

"""Platforms with their lists and templates, and the tokens that every account has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Literal

from airflow_wxa.sandbox.errors import Errcode
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.sandbox.values import STRICT, SortedSet, secret

COMPONENT = "/cgi-bin/component/"
API_COMPONENT_TOKEN = f"{COMPONENT}api_component_token"

Rotation = Literal["never", "each"]

_ENCODING_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


def _default_limits() -> dict[str, int]:
    # The one figure that a platform was seen to read from WeChat's quota call.
    return {API_COMPONENT_TOKEN: 10_000}


# A merchant authorises a platform: a code appears, and nobody has a token yet. The code is exchanged once, for an
# access token and a refresh token; until then the list of authorisers shows an empty refresh token. A refresh answers
# a new access token and a refresh token, which may be a new one: then the old one dies, at once or after a grace
# period. A merchant that withdraws takes everything along, and a later authorisation starts with another refresh
# token.
#
# An access token that was set when the world was built (``component_access_token``, ``authorizer_access_token``) is
# fixed: it works until it is replaced by hand or put into ``World.expired_tokens``. An issued one ends in one of two
# ways:
#
# * its ``expires_in`` is over: 42001. The table of errcodes has 42006 for the platform's token as well, seen in client
#   code only, while the clients that are in production refresh on 40001, 40014 and 42001. So 42001 is the default for
#   both, and ``World.platform_expired_errcode`` sets the other.
# * a newer one was issued and the overlap is over: 40001, "not latest". WeChat writes the overlap of five minutes down
#   for ordinary accounts; that platforms and merchants have it too is a guess, so ``Platform.overlap_seconds`` sets
#   it.


@dataclass(kw_only=True, slots=True)
class Issued:
    """One issued access token."""

    value: str = field(repr=False)
    expires_at: float  #: epoch seconds by the world's clock
    usable_until: float | None = None  #: epoch seconds, set when a newer one was issued

    def errcode_at(self, now: float) -> Errcode | None:
        """Return the errcode that refuses a call with this token, by its first end; None while it works."""
        if self.usable_until is not None and self.usable_until <= min(now, self.expires_at):
            return Errcode.INVALID_CREDENTIAL
        return Errcode.TOKEN_EXPIRED if self.expires_at <= now else None


class Account:
    """Common ground of platforms and Mini Programs: access tokens, and other words that nothing may show."""

    __slots__ = ()
    issued: list[Issued]
    quota_resets: list[float]

    @property
    def fixed_token(self) -> str:
        """The token that was set by hand; empty when there is none."""
        raise NotImplementedError

    def access_tokens(self) -> list[str]:
        """Return the fixed token and the issued ones, dead ones included."""
        return [*([self.fixed_token] if self.fixed_token else ()), *(each.value for each in self.issued)]

    def holds(self, token: str) -> bool:
        """Tell whether a token is one of them."""
        return token == self.fixed_token or any(each.value == token for each in self.issued)

    def errcode_of(self, token: str, now: float) -> Errcode | None:
        """Return what one of its tokens is refused with; one that is not among the issued ones is fixed and works."""
        return next((each.errcode_at(now) for each in self.issued if each.value == token), None)

    @classmethod
    @cache
    def _secret_fields(cls) -> tuple[str, ...]:
        own: Any = cls
        return tuple(each.name for each in fields(own) if each.metadata.get("secret"))

    def secrets(self) -> Iterator[str]:
        """Yield everything that nothing may show."""
        for name in self._secret_fields():
            if name == "issued":
                yield from (each.value for each in self.issued)
                continue
            value = getattr(self, name)
            yield from (value if isinstance(value, dict) else (value,))

    def keep_secrets_of(self, before: "Account") -> None:
        """Take over every secret that this state came without from an earlier state of the same account."""
        for name in self._secret_fields():
            if not getattr(self, name):
                setattr(self, name, getattr(before, name))


@dataclass(kw_only=True, slots=True)
class Draft:
    """One uploaded draft (草稿)."""

    __pydantic_config__: ClassVar = STRICT
    draft_id: int
    user_version: str = "1.0.0"
    user_desc: str = ""
    create_time: int = 1577836800  #: epoch seconds
    #: page paths of the package, ``pages/index/index``
    pages: list[str] = field(default_factory=lambda: ["pages/index/index", "pages/order/list"])


@dataclass(kw_only=True, slots=True)
class Template(Draft):
    """One entry of a template library, with the fields of the draft that it was made of."""

    template_id: int
    draft_id: int = 0
    template_type: int = 0  #: 0 ordinary, 1 standard (takes only ``extAppid``, ``ext`` and ``window``)


@dataclass(kw_only=True, slots=True)
class Platform(Account):
    """A third-party platform (第三方平台)."""

    __pydantic_config__: ClassVar = STRICT
    component_appid: str
    component_access_token: str = secret(default="")  #: a fixed token, beside those that are issued
    component_appsecret: str = secret(default="")  #: wanted by api_component_token; without one it refuses every secret
    #: a fixed ticket that does not run out, beside those that are pushed
    component_verify_ticket: str = secret(default="")
    testing: list[str] = field(default_factory=list)  #: hosts of the testing version of its business-domain list
    #: hosts of the published version; None when the platform was never published
    published: list[str] | None = field(default_factory=list)
    unverifiable: SortedSet[str] = field(default_factory=set)  #: hosts whose verification file cannot be fetched
    #: name and content of the verification file
    confirm_file: tuple[str, str] = ("AbCdEf1234.txt", "0123456789abcdef0123456789abcdef")
    audit_limit: int = 100  #: submissions a month
    audit_rest: int | None = None  #: submissions left this month; None starts with all of them
    audit_raise: int = 0  #: submissions of a temporary raise, which queryquota does not show
    speedup_limit: int = 0
    speedup_rest: int = 0
    ip_allowed: bool = True  #: False answers 61004, as for a caller that is not in the IP allow list
    #: its own library, beside what the world offers to every platform
    templates: list[Template] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)  #: uploads of its developers, which addtotemplate takes
    most_templates: int = 200  #: templates of its own before 85065; the real capacity was not found
    server_testing: list[str] = field(default_factory=list)  #: hosts of the testing version of its server-domain list
    #: hosts of the published version; None when the platform was never published
    server_published: list[str] | None = field(default_factory=list)
    #: epoch seconds of each accepted change of its server domains
    server_changes: list[float] = field(default_factory=list)
    quota_resets: list[float] = field(default_factory=list)  #: epoch seconds of each clear_quota
    without_icp: SortedSet[str] = field(default_factory=set)  #: hosts that lack an ICP filing
    #: hosts that too many Mini Programs have in direct mode already
    bound_to_many: SortedSet[str] = field(default_factory=set)
    expires_in: int = 7200  #: seconds that an issued access token lives, the platform's and its merchants'
    overlap_seconds: float = 300  #: how long the earlier token works after a new one was issued; 0 ends it at once
    #: ``each`` answers every refresh with a new refresh token, ``never`` with the same one
    rotate_refresh_tokens: Rotation = "never"
    refresh_grace_seconds: float = 300  #: how long a replaced refresh token still works; 0 ends it at once
    #: path to calls a day before 45009; for the calls that hand out tokens and authorisations
    daily_limits: dict[str, int] = field(default_factory=_default_limits)
    calls_today: dict[str, int] = field(default_factory=dict)  #: path to calls on the day of ``quota_day``
    quota_day: int = 0  #: the day ``calls_today`` counts, in days since the epoch, Beijing time
    push_token: str = secret(default="")  #: signs pushes (消息校验Token)
    encoding_aes_key: str = secret(default="")  #: encrypts pushes (消息加解密Key), 43 letters and digits
    push_url: str = ""  #: address of tickets and authorisation events
    message_url: str = ""  #: address of audit events; ``$APPID$`` stands for the Mini Program
    tickets: dict[str, float] = secret(default_factory=dict)  #: pushed tickets, to the epoch second of their making
    issued: list[Issued] = secret(default_factory=list)  #: access tokens, oldest first

    def __post_init__(self) -> None:
        self.audit_rest = self.audits_left
        if self.encoding_aes_key and not _ENCODING_AES_KEY.fullmatch(self.encoding_aes_key):
            raise ValueError(f"encoding_aes_key has to be 43 letters and digits, got {len(self.encoding_aes_key)}")

    @property
    def appid(self) -> str:
        """``component_appid``, under the name that every account has."""
        return self.component_appid

    @property
    def fixed_token(self) -> str:
        """``component_access_token``."""
        return self.component_access_token

    @property
    def registered(self) -> list[str]:
        """The list merchants are checked against.

        WeChat does not write down which version counts. Developers' reports of 89021 after a change of the testing
        version alone fit the published one, if there is one.
        """
        return self.testing if self.published is None else self.published

    @property
    def server_hosts(self) -> list[str]:
        """The list of server domains that merchants are checked against."""
        return self.server_testing if self.server_published is None else self.server_published

    def readable(self) -> dict[Lag, Any]:
        """Return copies of everything that a read may show late."""
        return {"platform_list": self.lists(), "platform_check": list(self.registered)}

    def lists(self) -> dict[str, str]:
        """Return both versions of the list as modify_wxa_jump_domain answers them."""
        return _both("wxa_jump_h5_domain", self.testing, self.published)

    def server_lists(self) -> dict[str, str]:
        """Return both versions of the list as modify_wxa_server_domain answers them."""
        return _both("wxa_server_domain", self.server_testing, self.server_published)

    @property
    def audits_left(self) -> int:
        """Submissions left this month."""
        return self.audit_limit if self.audit_rest is None else self.audit_rest

    def spend_call(self, path: str, *, day: int) -> bool:
        """Count a call; False when the day's calls are used up."""
        if day != self.quota_day:
            self.quota_day, self.calls_today = day, {}
        spent = self.calls_today.get(path, 0)
        if spent >= self.daily_limits.get(path, spent + 1):
            return False
        self.calls_today[path] = spent + 1
        return True


def _both(field: str, testing: list[str], published: list[str] | None) -> dict[str, str]:
    lists = {f"testing_{field}": ";".join(testing)}
    if published is not None:
        lists[f"published_{field}"] = ";".join(published)
    return lists

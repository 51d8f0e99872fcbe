"""Third-party platforms: their lists, their addresses, and the behaviour of their tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_wxa.sandbox.tokens import Account, Issued
from airflow_wxa.sandbox.values import STRICT, SortedSet

if TYPE_CHECKING:
    from airflow_wxa.sandbox.loose import Lag

API_COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"  # noqa: S105  a path

Rotation = Literal["never", "each"]

_ENCODING_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


def _default_limits() -> dict[str, int]:
    # The one figure that a platform was seen to read from WeChat's quota call.
    return {API_COMPONENT_TOKEN: 10_000}


@dataclass(kw_only=True, slots=True)
class Template:
    """One entry of a template library."""

    __pydantic_config__: ClassVar = STRICT
    template_id: int
    draft_id: int = 0  #: the draft it was made of
    user_version: str = "1.0.0"
    user_desc: str = ""
    create_time: int = 1577836800  #: epoch seconds
    #: page paths of the package, ``pages/index/index``
    pages: list[str] = field(default_factory=lambda: ["pages/index/index", "pages/order/list"])
    template_type: int = 0  #: 0 ordinary, 1 standard (takes only ``extAppid``, ``ext`` and ``window``)


@dataclass(kw_only=True, slots=True)
class Draft:
    """One uploaded draft (草稿); ``create_time`` in epoch seconds."""

    __pydantic_config__: ClassVar = STRICT
    draft_id: int
    user_version: str = "1.0.0"
    user_desc: str = ""
    create_time: int = 1577836800
    pages: list[str] = field(default_factory=lambda: ["pages/index/index", "pages/order/list"])


@dataclass(kw_only=True, slots=True)
class Platform(Account):
    """A third-party platform (第三方平台)."""

    __pydantic_config__: ClassVar = STRICT
    component_appid: str
    #: a fixed token, beside those that are issued
    component_access_token: str = field(default="", repr=False, metadata={"secret": True})
    #: wanted by api_component_token; without one it refuses every secret
    component_appsecret: str = field(default="", repr=False, metadata={"secret": True})
    #: a fixed ticket that does not run out, beside those that are pushed
    component_verify_ticket: str = field(default="", repr=False, metadata={"secret": True})
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
    push_token: str = field(default="", repr=False, metadata={"secret": True})  #: signs pushes (消息校验Token)
    #: encrypts pushes (消息加解密Key), 43 letters and digits
    encoding_aes_key: str = field(default="", repr=False, metadata={"secret": True})
    push_url: str = ""  #: address of tickets and authorisation events
    message_url: str = ""  #: address of audit events; ``$APPID$`` stands for the Mini Program
    #: pushed tickets, to the epoch second of their making
    tickets: dict[str, float] = field(default_factory=dict, repr=False, metadata={"secret": True})
    #: access tokens, oldest first
    issued: list[Issued] = field(default_factory=list, repr=False, metadata={"secret": True})

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

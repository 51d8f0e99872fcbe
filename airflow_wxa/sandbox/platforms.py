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
    """One entry of a template library.

    :param draft_id: the draft it was made of.
    :param create_time: epoch seconds.
    :param pages: page paths of the package, ``pages/index/index``.
    :param template_type: 0 ordinary, 1 standard (takes only ``extAppid``, ``ext`` and ``window``).
    """

    __pydantic_config__: ClassVar = STRICT
    template_id: int
    draft_id: int = 0
    user_version: str = "1.0.0"
    user_desc: str = ""
    create_time: int = 1577836800
    pages: list[str] = field(default_factory=lambda: ["pages/index/index", "pages/order/list"])
    template_type: int = 0


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
    """A third-party platform (第三方平台).

    :param component_access_token: a fixed token, beside those that are issued.
    :param component_appsecret: wanted by api_component_token; without one it refuses every secret.
    :param component_verify_ticket: a fixed ticket that does not run out, beside those that are pushed.
    :param testing: hosts of the testing version of its business-domain list.
    :param published: hosts of the published version; None when the platform was never published.
    :param unverifiable: hosts whose verification file cannot be fetched.
    :param confirm_file: name and content of the verification file.
    :param audit_limit: submissions a month.
    :param audit_rest: submissions left this month; None starts with all of them.
    :param audit_raise: submissions of a temporary raise, which queryquota does not show.
    :param ip_allowed: False answers 61004, as for a caller that is not in the IP allow list.
    :param templates: its own library, beside what the world offers to every platform.
    :param drafts: uploads of its developers, which addtotemplate takes.
    :param most_templates: templates of its own before 85065; the real capacity was not found.
    :param server_testing: hosts of the testing version of its server-domain list.
    :param server_published: hosts of the published version; None when the platform was never published.
    :param server_changes: epoch seconds of each accepted change of its server domains.
    :param quota_resets: epoch seconds of each clear_quota.
    :param without_icp: hosts that lack an ICP filing.
    :param bound_to_many: hosts that too many Mini Programs have in direct mode already.
    :param expires_in: seconds that an issued access token lives, the platform's and its merchants'.
    :param overlap_seconds: how long the earlier token works after a new one was issued; 0 ends it at once.
    :param rotate_refresh_tokens: ``each`` answers every refresh with a new refresh token, ``never`` with the same one.
    :param refresh_grace_seconds: how long a replaced refresh token still works; 0 ends it at once.
    :param daily_limits: path to calls a day before 45009; for the calls that hand out tokens and authorisations.
    :param calls_today: path to calls on the day of ``quota_day``.
    :param quota_day: the day ``calls_today`` counts, in days since the epoch, Beijing time.
    :param push_token: signs pushes (消息校验Token).
    :param encoding_aes_key: encrypts pushes (消息加解密Key), 43 letters and digits.
    :param push_url: address of tickets and authorisation events.
    :param message_url: address of audit events; ``$APPID$`` stands for the Mini Program.
    :param tickets: pushed tickets, to the epoch second of their making.
    :param issued: access tokens, oldest first.
    """

    __pydantic_config__: ClassVar = STRICT
    component_appid: str
    component_access_token: str = field(default="", repr=False, metadata={"secret": True})
    component_appsecret: str = field(default="", repr=False, metadata={"secret": True})
    component_verify_ticket: str = field(default="", repr=False, metadata={"secret": True})
    testing: list[str] = field(default_factory=list)
    published: list[str] | None = field(default_factory=list)
    unverifiable: SortedSet[str] = field(default_factory=set)
    confirm_file: tuple[str, str] = ("AbCdEf1234.txt", "0123456789abcdef0123456789abcdef")
    audit_limit: int = 100
    audit_rest: int | None = None
    audit_raise: int = 0
    speedup_limit: int = 0
    speedup_rest: int = 0
    ip_allowed: bool = True
    templates: list[Template] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    most_templates: int = 200
    server_testing: list[str] = field(default_factory=list)
    server_published: list[str] | None = field(default_factory=list)
    server_changes: list[float] = field(default_factory=list)
    quota_resets: list[float] = field(default_factory=list)
    without_icp: SortedSet[str] = field(default_factory=set)
    bound_to_many: SortedSet[str] = field(default_factory=set)
    expires_in: int = 7200
    overlap_seconds: float = 300
    rotate_refresh_tokens: Rotation = "never"
    refresh_grace_seconds: float = 300
    daily_limits: dict[str, int] = field(default_factory=_default_limits)
    calls_today: dict[str, int] = field(default_factory=dict)
    quota_day: int = 0
    push_token: str = field(default="", repr=False, metadata={"secret": True})
    encoding_aes_key: str = field(default="", repr=False, metadata={"secret": True})
    push_url: str = ""
    message_url: str = ""
    tickets: dict[str, float] = field(default_factory=dict, repr=False, metadata={"secret": True})
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

"""Platform credentials against the sandbox, made anew in whatever process wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.authorisation import Grant
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.sandbox import MiniProgram, Platform, World
from airflow_wxa.store import Store
from airflow_wxa.store.tables import credential

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call
    from airflow_wxa.store import Credential

KEY: Final = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
APPSECRET, TICKET, REFRESH = "appsecret+canary", "ticket+canary", "refresh+canary"
COMPONENT: Final = "/cgi-bin/component/"
AUTHORIZER_TOKEN, COMPONENT_TOKEN, LIST = (
    f"{COMPONENT}{name}" for name in ("api_authorizer_token", "api_component_token", "api_get_authorizer_list")
)


def appid_of(number: int) -> str:
    return f"wx{number:016x}"


def component_appid_of(number: int) -> str:
    return f"wx{0xC0000 + number:016x}"


def world_of(platforms: int = 1, **settings: Any) -> World:
    """Return platforms with a merchant each; refresh tokens rotate, and what is replaced dies at once."""
    strict: dict[str, Any] = {"rotate_refresh_tokens": "each", "refresh_grace_seconds": 0, "overlap_seconds": 0}
    return World(
        platforms=[
            Platform(
                component_appid=component_appid_of(number),
                component_appsecret=APPSECRET,
                component_verify_ticket=TICKET,
                testing=["example.com"],
                published=["example.com"],
                **strict | settings,
            )
            for number in range(1, platforms + 1)
        ],
        mini_programs=[
            MiniProgram(appid=appid_of(number), component_appid=component_appid_of(number), refresh_token=REFRESH)
            for number in range(1, platforms + 1)
        ],
    )


@dataclass(frozen=True)
class Recipe:
    """What a process needs to know to make the credentials of a platform of :func:`world_of`.

    :param host: the sandbox.
    :param number: of the platform and its merchant.
    :param lease_seconds: how long the others wait for a refresher that was killed.
    """

    host: str
    store_url: str
    number: int = 1
    lease_seconds: float | None = None
    timeout: float = 30

    @property
    def appid(self) -> str:
        return appid_of(self.number)

    @property
    def component_appid(self) -> str:
        return component_appid_of(self.number)

    @property
    def merchant_call(self) -> Call:
        return getversioninfo(self.appid)

    @property
    def platform_call(self) -> Call:
        return modify_wxa_jump_domain("get")

    def store(self) -> Store:
        return Store(self.store_url, [KEY])

    def credentials(self) -> PlatformCredentials:
        egress = Egress(self.host, self.timeout)
        secret = Secret(APPSECRET)
        return PlatformCredentials(self.component_appid, secret, self.store(), egress, lease_seconds=self.lease_seconds)

    def client(self) -> WxaClient:
        return WxaClient(Egress(self.host, self.timeout), self.credentials())

    def call(self) -> int:
        """Call WeChat for the merchant with a client of its own, as another process has, and return the errcode."""
        return self.client().send(self.merchant_call).errcode

    def seen(self, appid: str | None = None) -> Credential:
        seen = self.store().merchant(self.component_appid, self.appid if appid is None else appid)
        assert seen is not None
        return seen

    def imported(self) -> Recipe:
        """Put ticket and refresh token into the store, as an import does."""
        self.store().put_renewals(self.component_appid, {"": Secret(TICKET), self.appid: Secret(REFRESH)})
        return self

    def refused(self, seconds_ago: float) -> Recipe:
        """Let WeChat have refused the merchant's refresh token some time ago."""
        self.store().mark(self.component_appid, self.appid, "refused")
        return self._changed(self.appid, renewal_at=credential.c.renewal_at - seconds_ago)

    def expired(self, appid: str | None = None) -> Recipe:
        """Put an access token into the store whose time is over."""
        return self.ageing(-1, appid)

    def ageing(self, seconds_left: float, appid: str | None = None) -> Recipe:
        """Leave the stored access token, made up if there is none, so many seconds."""
        seen = self.seen(appid)
        if seen.access_token is None:
            self.store().store_grant(seen, Grant(Secret("made up, and run out"), 7200))
        older = seconds_left - self.seen(appid).seconds_left
        return self._changed(seen.appid, access_expires_at=credential.c.access_expires_at + older)

    def _changed(self, appid: str, **values: Any) -> Recipe:
        mine = credential.c.component_appid == self.component_appid, credential.c.appid == appid
        self.store()._database.write(update(credential).where(*mine).values(**values))
        return self

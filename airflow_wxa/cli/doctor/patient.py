"""What the rules look at: everything is opened, asked and read at most once, whatever the number of rules."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self, TypeVar

from airflow_wxa.access import FirstOf, TokenServer
from airflow_wxa.api.audit import queryquota
from airflow_wxa.api.authorisation import api_get_authorizer_info, getaccountbasicinfo
from airflow_wxa.cli.doctor.finding import NotLookedAtError
from airflow_wxa.cli.doctor.parts import ConnectionParts
from airflow_wxa.cli.doctor.probe import Probe, probed
from airflow_wxa.cli.doctor.watched import WatchedCredentials
from airflow_wxa.client import WxaClient
from airflow_wxa.errors import WxaApiError, WxaError
from airflow_wxa.steps import modify_platform_domains
from airflow_wxa.store.tables import THE_PLATFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from airflow.sdk import Connection

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.cli.doctor.watched import EarlyDeath
    from airflow_wxa.client import TokenSource
    from airflow_wxa.hooks.connection import WxaConnection
    from airflow_wxa.steps import PlatformOutcome
    from airflow_wxa.store import Credential, Store

__all__ = ["Merchant", "Patient"]

T = TypeVar("T")

_LOOKED_AT: Final = 3  # merchants, when none is named: looking stays quick with ten thousand of them
_NOT_AUTHORISED: Final = 61003


@dataclass(frozen=True, slots=True)
class Merchant:
    """What was asked about one Mini Program; an error stands where the answer would.

    :param info: of ``api_get_authorizer_info``; ``None``: not asked, since there is no platform to ask as.
    :param quota: of ``queryquota``, the harmless call that shows whether its token works; ``None``: not asked.
    :param account: of ``getaccountbasicinfo``; ``None``: not asked.
    """

    appid: str
    info: Reply | WxaError | None
    quota: Reply | WxaError | None
    account: Reply | WxaError | None

    @property
    def errors(self) -> list[WxaError]:
        """What was refused of that which a release needs; whose account it is does not count."""
        return [each for each in (self.info, self.quota) if isinstance(each, WxaError)]

    def refused(self, *errcodes: int) -> WxaApiError | None:
        """Return the first refusal with one of these codes."""
        return refusal(self.errors, *errcodes)


def refusal(errors: Sequence[WxaError], *errcodes: int) -> WxaApiError | None:
    """Return the first error with one of these codes."""
    return next((each for each in errors if isinstance(each, WxaApiError) and each.errcode in errcodes), None)


class Patient:
    """A Connection and all that hangs on it.

    Properties raise :class:`NotLookedAtError` when something before them is missing or broken.

    :param connection: as Airflow keeps it.
    :param open_store: opens the store; called only when tokens come from it.
    :param appids: Mini Programs to look at; none: three that the store, or the Connection, knows.
    """

    def __init__(self, connection: Connection, open_store: Callable[[], Store], appids: Sequence[str] = ()) -> None:
        self.parts = ConnectionParts(connection)
        self._open_store = open_store
        self._appids = tuple(dict.fromkeys(appids))
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    # The Connection and its host --------------------------------------------------------------------------------------

    @property
    def read(self) -> WxaConnection:
        """The Connection as it is used."""
        if self.parts.read is None:
            raise NotLookedAtError("the Connection cannot be used")
        return self.parts.read

    @cached_property
    def probe(self) -> Probe:
        """What came of a request without a token."""
        return probed(self.read.egress)

    @property
    def answer(self) -> Probe:
        """The probe, when the host answered."""
        if self.probe.failure is not None:
            raise NotLookedAtError("the host does not answer")
        return self.probe

    def check_is_wechat(self) -> None:
        """Make sure that calls can be made.

        :raises NotLookedAtError: the host does not answer, or not as WeChat does.
        """
        if not self.answer.is_wechats:
            raise NotLookedAtError("the host is not WeChat's API")

    # Where tokens come from -------------------------------------------------------------------------------------------

    @property
    def has_source(self) -> bool:
        """Whether the Connection names any source of tokens."""
        return self.read.has_platform_token or bool(self.read.fixed.appids)

    @property
    def component_appsecret(self) -> Secret:
        """The secret, when tokens come from the platform's own credentials."""
        read = self.read
        if read.token_url:
            raise NotLookedAtError("tokens come from the token server")
        if not read.component_appid or read.component_appsecret is None:
            raise NotLookedAtError("the Connection has no login and password")
        return read.component_appsecret

    @cached_property
    def store_or_error(self) -> Store | WxaError:
        """The store, opened and read once, or why that cannot be done."""
        secret = self.component_appsecret
        try:
            store = self._open_store()
            self._rows = {THE_PLATFORM: store.platform(self.read.component_appid)}
            self._rows |= store.merchants(self.read.component_appid)
        except WxaError as error:
            return error
        self._credentials = WatchedCredentials(self.read.component_appid, secret, store, self.read.egress)
        self._opened.callback(self._credentials.client.close)
        return store

    @property
    def store(self) -> Store:
        """The store, when it could be opened and read."""
        if isinstance(self.store_or_error, WxaError):
            raise NotLookedAtError("the store cannot be read")
        return self.store_or_error

    @property
    def platform_row(self) -> Credential | None:
        """What the store knew of the platform before anything was asked."""
        return self._rows[THE_PLATFORM] if self.store else None

    @property
    def merchant_rows(self) -> Mapping[str, Credential]:
        """What the store knew of the merchants before anything was asked."""
        rows = self._rows if self.store else {}
        return {appid: row for appid, row in rows.items() if row is not None and appid != THE_PLATFORM}

    @cached_property
    def client(self) -> WxaClient:
        """A client on the Connection's tokens; those of the credentials are watched."""
        read = self.read
        other: TokenSource | None = None
        if read.token_url:
            other = TokenServer(read.token_url, read.token_url_bearer, read.component_appid, read.egress)
        elif read.component_appsecret is not None:
            other = self._credentials if self.store else None
        return self._opened.enter_context(WxaClient(read.egress, FirstOf(read.fixed, other)))

    @property
    def early_deaths(self) -> list[EarlyDeath]:
        """Tokens of the credentials that were refused before their time, in all that was asked so far."""
        return self._credentials.early_deaths if self.store else []

    # What WeChat says -------------------------------------------------------------------------------------------------

    @cached_property
    def platform_list_or_error(self) -> PlatformOutcome | WxaError:
        """The platform's list, which is the harmless call that shows whether the platform token works."""
        self.check_is_wechat()
        if not self.read.has_platform_token:
            raise NotLookedAtError("the Connection has no platform token")
        self._check_can_fetch()
        client = self.client
        return _attempted(lambda: client.run(modify_platform_domains("get")))

    def _check_can_fetch(self) -> None:
        if self.read.fixed.has_platform or self.read.token_url:
            return
        row = self.platform_row
        if row is None or (row.renewal is None and row.seconds_left <= 0):
            raise NotLookedAtError("there is no ticket to fetch a platform token with")

    @property
    def platform_errors(self) -> list[WxaError]:
        """What was refused on the way to the platform's list: one error, or none."""
        error = self.platform_list_or_error
        return [error] if isinstance(error, WxaError) else []

    @property
    def platform_list(self) -> PlatformOutcome:
        """The platform's list, when it could be read."""
        if isinstance(self.platform_list_or_error, WxaError):
            raise NotLookedAtError("the platform token does not work")
        return self.platform_list_or_error

    @property
    def has_working_platform_token(self) -> bool:
        """Whether the platform's list could be read."""
        return self.read.has_platform_token and not isinstance(self.platform_list_or_error, WxaError)

    @cached_property
    def merchants(self) -> tuple[Merchant, ...]:
        """What was asked about each Mini Program; there is at least one."""
        self.check_is_wechat()
        if not self.read.fixed.appids and not self.read.token_url:
            _ = self.platform_list  # without a platform token there is no merchant token either
        appids = self._appids or self._known_appids()
        if not appids:
            raise NotLookedAtError("no merchant is known: name one with --appid, or import them")
        return tuple(self._asked(appid) for appid in appids)

    def _known_appids(self) -> tuple[str, ...]:
        appids = self.read.fixed.appids
        if not appids and not self.read.token_url:
            appids = tuple(appid for appid, row in self.merchant_rows.items() if row.state == "authorised")
        return appids[:_LOOKED_AT]

    def _asked(self, appid: str) -> Merchant:
        component_appid = self.read.component_appid
        can_ask = component_appid and self.has_working_platform_token
        info = self._sent(api_get_authorizer_info(component_appid, appid)) if can_ask else None
        if isinstance(info, WxaApiError) and info.errcode == _NOT_AUTHORISED:
            # Asking for its token would make a row in the store for somebody who is no merchant of ours.
            return Merchant(appid, info, None, None)
        quota = self._sent(queryquota(appid))
        account = None if isinstance(quota, WxaError) else self._sent(getaccountbasicinfo(appid))
        return Merchant(appid, info, quota, account)

    def _sent(self, call: Call) -> Reply | WxaError:
        client = self.client
        return _attempted(lambda: client.send(call))

    def _errors_of_platform(self) -> list[WxaError]:
        return self.platform_errors

    def _errors_of_merchants(self) -> list[WxaError]:
        return [error for merchant in self.merchants for error in merchant.errors]

    @property
    def errors(self) -> list[WxaError]:
        """Every refusal of that which a release needs, of the platform and of merchants."""
        found: list[WxaError] = []
        reasons: list[NotLookedAtError] = []
        sources: tuple[Callable[[], list[WxaError]], ...] = (self._errors_of_platform, self._errors_of_merchants)
        for errors_of in sources:
            try:
                found += errors_of()
            except NotLookedAtError as reason:
                reasons.append(reason)
        if len(reasons) > 1:
            raise reasons[0]
        return found


def _attempted(attempt: Callable[[], T]) -> T | WxaError:
    try:
        return attempt()
    except WxaError as error:
        return error

"""Facts for the doctor's rules: a Connection and all that hangs on it, each asked once, when a rule wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.sdk import Connection
from airflow.sdk.configuration import conf

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.audit import queryquota
from airflow_wxa.api.authorisation import api_get_authorizer_info, api_get_authorizer_list, getaccountbasicinfo
from airflow_wxa.api.errcodes import ACCOUNT_NOT_AUTHORIZED
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.cli.doctor.probe import Probe, probed
from airflow_wxa.client import WxaClient
from airflow_wxa.errors import WxaApiError, WxaError, WxaSpecError
from airflow_wxa.hooks.connection import WxaConnection, read_connection
from airflow_wxa.plugins.forwarding import forward_pushes_to
from airflow_wxa.steps import PlatformOutcome, modify_platform_domains
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.store import Credential, Store

T = TypeVar("T")

_ASKED: Final = 3  # merchants, when none is named: it stays quick with ten thousand of them
_SURELY_ALIVE: Final = 60.0  # seconds left: no rounding and no slow network explains a refusal
_PLACE: Final = ("host", "schema", "port")
_ACCOUNT: Final = ("login", "password")
_AES_KEYS: Final = ("encoding_aes_key", "previous_encoding_aes_key")
_PUSH_FIELDS: Final = frozenset({"push_token", *_AES_KEYS})
CONN_TYPE: Final = "wxa"


class Unknown(Exception):  # noqa: N818  no rule has failed: it cannot look
    """A fact that is not there: its source is missing or broken, which another rule reports.

    :param key: of the text that is the rest of "not looked at: …"; ``values`` are those in it.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.reason = Text(key, **values)
        super().__init__(self.reason)


def refusal(errors: Sequence[WxaError], *errcodes: int) -> WxaApiError | None:
    """Return the first error with one of these codes."""
    return next((each for each in errors if isinstance(each, WxaApiError) and each.errcode in errcodes), None)


@dataclass(frozen=True, slots=True)
class EarlyDeath:
    """A token of ours that was refused before its time.

    :param appid: whose; ``""``: the platform's.
    :param age: seconds since it was fetched.
    :param seconds_left: of the life that WeChat promised.
    """

    appid: str
    age: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Merchant:
    """Answers about one Mini Program; an error in place of an answer, ``None`` for a question not asked.

    :param info: of ``api_get_authorizer_info``.
    :param quota: of ``queryquota``, the harmless call that shows whether its token works.
    :param account: of ``getaccountbasicinfo``.
    """

    appid: str
    info: Reply | WxaError | None = None
    quota: Reply | WxaError | None = None
    account: Reply | WxaError | None = None

    @property
    def errors(self) -> list[WxaError]:
        """Refusals that a release would meet; whose account it is does not count."""
        return [each for each in (self.info, self.quota) if isinstance(each, WxaError)]


class WatchedCredentials(PlatformCredentials):
    """The platform's credentials, which remember every token of ours that WeChat refuses though it should live."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.early_deaths: list[EarlyDeath] = []

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        """Return a token; one that was refused is looked at first.

        Only a token that is still the store's counts: one that our own processes replaced meanwhile died rightly.
        """
        seen = self.store.merchant(self.component_appid, owner) if refused else None
        if seen is not None and seen.access_token in refused and seen.seconds_left > _SURELY_ALIVE:
            self.early_deaths.append(EarlyDeath(owner, seen.lifetime - seen.seconds_left, seen.seconds_left))
        return super().token(owner, refused)


class Facts:
    """All that a release depends on; nothing is changed at WeChat. A fact that cannot be had raises :class:`Unknown`.

    :param given: the Connection as Airflow keeps it; of another type than ``wxa`` nothing else is looked at.
    :param open_store: opens the store; called only when tokens come from it.
    :param appids: Mini Programs to look at; none: three that the store, or the Connection, knows.
    """

    def __init__(self, given: Connection, open_store: Callable[[], Store], appids: Sequence[str] = ()) -> None:
        self.given = given
        self._open_store = open_store
        self._appids = appids

    def close(self) -> None:
        """Close every connection that a question has opened."""
        opened = vars(self)  # a cached fact that nobody wanted is not in it
        if client := opened.get("_client"):
            client.close()
        if credentials := opened.get("_credentials"):
            credentials.client.close()

    # The Connection, refused part by part: a problem of its push keys must not hide one of its host.

    @cached_property
    def connection(self) -> WxaConnection:
        """The Connection as it is used, without push keys that are refused."""
        names = self.extra.keys() - (_PUSH_FIELDS if self.push_refusal else set())
        read = self._read(names, _PLACE + _ACCOUNT)
        if isinstance(read, WxaSpecError) or self._extra_refusal:
            raise Unknown("connection_cannot_be_used")
        return read

    @cached_property
    def extra(self) -> dict[str, Any]:
        """The Connection's extra; empty where it is no object."""
        return self._told if isinstance(self._told, dict) else {}

    @cached_property
    def _told(self) -> Any:
        if self.given.conn_type != CONN_TYPE:
            raise Unknown("connection_is_of_another_type")
        try:
            return json.loads(self.given.extra or "{}")
        except ValueError:
            return None

    @property
    def host_refusal(self) -> WxaSpecError | None:
        """Why the host cannot be right, whether plain http is permitted or not."""
        return self._refused((), _PLACE, allow_http=True)

    @property
    def is_plain_http(self) -> bool:
        """Whether the host is another machine, by plain http."""
        return self.host_refusal is None and self._refused((), _PLACE) is not None

    @property
    def push_refusal(self) -> WxaSpecError | None:
        """Why the keys of the push receiver cannot be right."""
        return self._refused(_PUSH_FIELDS, ())

    @property
    def push_fields(self) -> set[str]:
        """Keys of the push receiver that are filled: at least one."""
        if filled := {name for name in _PUSH_FIELDS if self.extra.get(name)}:
            return filled
        raise Unknown("unknown_the_connection_has_no_push")

    @property
    def shown_secrets(self) -> list[str]:
        """Push keys that all who may read Connections see; by itself Airflow hides tokens and secrets only."""
        hides = conf.getboolean("core", "hide_sensitive_var_conn_fields", fallback=True)
        listed = str(conf.get("core", "sensitive_var_conn_names", fallback="") or "").lower().split(",")
        hidden = [part.strip() for part in listed if part.strip()] if hides else []
        filled = self.push_fields
        return [name for name in _AES_KEYS if name in filled and not any(part in name for part in hidden)]

    @property
    def other_refusal(self) -> WxaSpecError | None:
        """Why login, password, tokens, token server or egress cannot be right."""
        is_flag = isinstance(self.extra.get("allow_http"), bool)
        names = self.extra.keys() - _PUSH_FIELDS - ({"allow_http"} if is_flag else set())
        return self._extra_refusal or self._refused(names, _ACCOUNT)

    @property
    def _extra_refusal(self) -> WxaSpecError | None:
        return None if isinstance(self._told, dict) else WxaSpecError(Text("extra_is_no_json_object"), ())

    def _refused(self, names: Collection[str], fields: Sequence[str], **more: Any) -> WxaSpecError | None:
        read = self._read(names, fields, **more)
        return read if isinstance(read, WxaSpecError) else None

    def _read(self, names: Collection[str], fields: Sequence[str], **more: Any) -> WxaConnection | WxaSpecError:
        """Read a part of the Connection: these names of its extra, and these fields."""
        extra = json.dumps({name: value for name, value in self.extra.items() if name in names} | more)
        part = {name: getattr(self.given, name) for name in fields}
        try:
            return read_connection(Connection(conn_id=self.given.conn_id, conn_type=CONN_TYPE, extra=extra, **part))
        except WxaSpecError as error:
            return error

    @property
    def forward_refusal(self) -> WxaSpecError | None:
        """Why ``[wxa] forward_pushes_to`` cannot be right."""
        try:
            self.connection  # noqa: B018  of another one nobody takes pushes
            forward_pushes_to()
        except WxaSpecError as refused:
            return refused
        return None

    # The host, and the store

    @cached_property
    def probe(self) -> Probe:
        """Result of a request without a token."""
        return probed(self.connection.egress)

    @property
    def answer(self) -> Probe:
        """The probe, when the host answered."""
        if self.probe.failure is not None:
            raise Unknown("unknown_the_host_does_not_answer")
        return self.probe

    @cached_property
    def stored(self) -> tuple[Store, Mapping[str, Credential]] | WxaError:
        """The store, which keeps the tokens, and its rows before anything was asked; or why it cannot be read."""
        if self.connection.token_url:
            raise Unknown("tokens_come_from_the_token_server")
        if not self.connection.component_appid or self.connection.component_appsecret is None:
            raise Unknown("connection_has_no_login")

        def read() -> tuple[Store, Mapping[str, Credential]]:
            store, name = self._open_store(), self.connection.component_appid
            platform = store.platform(name)
            return store, dict(store.merchants(name)) | ({THE_PLATFORM: platform} if platform is not None else {})

        return _attempted(read)

    @property
    def _store_and_rows(self) -> tuple[Store, Mapping[str, Credential]]:
        if isinstance(self.stored, WxaError):
            raise Unknown("unknown_the_store_cannot_be_read")
        return self.stored

    @property
    def store(self) -> Store:
        """The store, when it can be read."""
        return self._store_and_rows[0]

    @property
    def rows(self) -> Mapping[str, Credential]:
        """Rows of the store by appid before anything was asked; the platform's row is at ``""``."""
        return self._store_and_rows[1]

    @cached_property
    def _credentials(self) -> WatchedCredentials | None:
        store, read = or_none(lambda: self.store), self.connection
        if store is None:
            return None
        return WatchedCredentials(read.component_appid, read.component_appsecret, store, read.egress)

    # Answers of WeChat

    @cached_property
    def _client(self) -> WxaClient:
        read = self.connection
        if not self.answer.is_wechats:  # no call with a token is made to this host
            raise Unknown("host_is_not_wechats")
        return WxaClient(read.egress, read.fixed.before(read.token_server or self._credentials))

    @cached_property
    def platform_list(self) -> PlatformOutcome | WxaError:
        """The platform's domains, the harmless call that shows whether the platform token works."""
        client, read = self._client, self.connection
        if not read.has_platform_token:
            raise Unknown("connection_has_no_platform_token")
        if not read.fixed.platform and not read.token_url:
            row = self.rows.get(THE_PLATFORM)
            if row is None or (row.renewal is None and row.seconds_left <= 0):
                raise Unknown("no_ticket_to_fetch_with")
        return _attempted(lambda: client.run(modify_platform_domains("get")))

    @property
    def domains(self) -> PlatformOutcome:
        """The platform's domains, when its token works."""
        if isinstance(self.platform_list, WxaError):
            raise Unknown("unknown_the_platform_token_does_not")
        return self.platform_list

    @property
    def fetched(self) -> bool:
        """Whether a platform token was fetched for the questions."""
        now = self._credentials.store.platform(self.connection.component_appid) if self._credentials else None
        before = self.rows.get(THE_PLATFORM)
        return now is not None and now.access_token != (before.access_token if before else None)

    @cached_property
    def authorizer_list(self) -> Reply | WxaError:
        """Answer of ``api_get_authorizer_list``, by which a lost refresh token is found again."""
        self.rows, self.domains  # noqa: B018
        return _attempted(lambda: self._client.send(api_get_authorizer_list(self.connection.component_appid, 0, 1)))

    @cached_property
    def merchants(self) -> Sequence[Merchant]:
        """Answers about each Mini Program: at least one."""
        fixed = self.connection.fixed.appids
        self._client  # noqa: B018
        if not fixed and not self.connection.token_url:
            self.domains  # noqa: B018  without a platform token there is no merchant token either
        if appids := self._appids or self._known_appids(fixed):
            return [self._merchant(appid) for appid in dict.fromkeys(appids)]
        raise Unknown("no_merchant_is_known")

    def _known_appids(self, fixed: Sequence[str]) -> Sequence[str]:
        rows = {} if fixed or self._credentials is None else self.rows
        known = [appid for appid, row in rows.items() if appid != THE_PLATFORM and row.state == "authorised"]
        return (fixed or known)[:_ASKED]

    def _merchant(self, appid: str) -> Merchant:
        def sent(call: Call) -> Reply | WxaError:
            return _attempted(lambda: self._client.send(call))

        component_appid = self.connection.component_appid if or_none(lambda: self.domains) else ""
        info = sent(api_get_authorizer_info(component_appid, appid)) if component_appid else None
        if isinstance(info, WxaApiError) and info.errcode == ACCOUNT_NOT_AUTHORIZED:
            # Asking for its token would make a row in the store for somebody who is no merchant of ours.
            return Merchant(appid, info)
        quota = sent(queryquota(appid))
        return Merchant(appid, info, quota, None if isinstance(quota, WxaError) else sent(getaccountbasicinfo(appid)))

    @property
    def early_deaths(self) -> Sequence[EarlyDeath]:
        """Tokens of ours that died early, of all that were asked with."""
        return self._credentials.early_deaths if self._credentials else ()

    @property
    def platform_errors(self) -> list[WxaError]:
        """Refusal on the way to the platform's list: one error, or none."""
        return [self.platform_list] if isinstance(self.platform_list, WxaError) else []

    @property
    def errors(self) -> list[WxaError]:
        """Every refusal that a release would meet, of the platform and of merchants."""
        merchants = or_none(lambda: self.merchants) or ()
        of_platform = or_none(lambda: self.platform_errors) if merchants else self.platform_errors
        return [*(of_platform or ()), *(error for merchant in merchants for error in merchant.errors)]


def or_none(ask: Callable[[], T]) -> T | None:
    """Return a fact; ``None`` where it is not known."""
    try:
        return ask()
    except Unknown:
        return None


def _attempted(attempt: Callable[[], T]) -> T | WxaError:
    try:
        return attempt()
    except WxaError as error:
        return error

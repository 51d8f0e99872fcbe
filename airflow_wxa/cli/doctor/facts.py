"""Facts for the doctor's rules: a Connection and all that hangs on it, opened, asked and read once."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
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
_AES_KEYS: Final = ("encoding_aes_key", "previous_encoding_aes_key")
_PUSH_FIELDS: Final = frozenset({"push_token", *_AES_KEYS})
CONN_TYPE: Final = "wxa"


class Unknown(Exception):  # noqa: N818  it stands in a fact's place first, and is raised by known() only
    """A fact that is not there: its source is missing or broken, which another rule reports.

    :param reason: the rest of "not looked at: …".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def known(fact: T | Unknown) -> T:
    """Return a fact that is there.

    :raises Unknown: it is not.
    """
    if isinstance(fact, Unknown):
        raise fact
    return fact


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


@dataclass(frozen=True, slots=True)
class Parts:
    """The Connection, refused part by part: a problem of its push keys must not hide one of its host.

    :param host: as it was written.
    :param host_refusal: why the host cannot be right, whether plain http is permitted or not.
    :param push_refusal: why the keys of the push receiver cannot be right.
    :param push_fields: which of them are filled.
    :param shown_secrets: keys of the push receiver that Airflow shows to all who may read Connections.
    :param other_refusal: why login, password, tokens, token server or egress cannot be right.
    """

    host: str
    allows_http: bool
    is_plain_http: bool
    host_refusal: WxaSpecError | None
    push_refusal: WxaSpecError | None
    push_fields: frozenset[str]
    shown_secrets: tuple[str, ...]
    other_refusal: WxaSpecError | None


_NO_CONNECTION: Final = Unknown(Text("connection_cannot_be_used"))
_OTHER_TYPE: Final = Unknown(Text("connection_is_of_another_type"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that was found out.

    :param conn_type: of the Connection; of another one than ``wxa`` nothing else is looked at.
    :param connection: as it is used, without push keys that are refused.
    :param probe: result of a request without a token.
    :param store: keeps the tokens; or the error that it cannot be read.
    :param rows: rows of the store by appid before anything was asked; the platform's row is at ``""``.
    :param fetched: true when a platform token was fetched for the questions.
    :param platform_list: the platform's domains, the harmless call that shows whether the platform token works.
    :param authorizer_list: of ``api_get_authorizer_list``, by which a lost refresh token is found again.
    :param merchants: at least one.
    :param forward_refusal: why ``[wxa] forward_pushes_to`` cannot be right.
    """

    conn_type: str
    parts: Parts | Unknown = _OTHER_TYPE
    connection: WxaConnection | Unknown = _NO_CONNECTION
    probe: Probe | Unknown = _NO_CONNECTION
    store: Store | WxaError | Unknown = _NO_CONNECTION
    rows: Mapping[str, Credential] | Unknown = _NO_CONNECTION
    fetched: bool = False
    platform_list: PlatformOutcome | WxaError | Unknown = _NO_CONNECTION
    authorizer_list: Reply | WxaError | Unknown = _NO_CONNECTION
    merchants: tuple[Merchant, ...] | Unknown = _NO_CONNECTION
    early_deaths: Sequence[EarlyDeath] = field(default=())
    forward_refusal: WxaSpecError | None = None

    @property
    def answer(self) -> Probe:
        """The probe, when the host answered."""
        if known(self.probe).failure is not None:
            raise Unknown(Text("unknown_the_host_does_not_answer"))
        return known(self.probe)

    @property
    def platform_errors(self) -> list[WxaError]:
        """Refusal on the way to the platform's list: one error, or none."""
        outcome = known(self.platform_list)
        return [outcome] if isinstance(outcome, WxaError) else []

    @property
    def errors(self) -> list[WxaError]:
        """Every refusal that a release would meet, of the platform and of merchants."""
        of_merchants = () if isinstance(self.merchants, Unknown) else self.merchants
        found = [error for merchant in of_merchants for error in merchant.errors]
        if isinstance(self.platform_list, Unknown):
            return found if of_merchants else known(self.platform_list)
        return self.platform_errors + found


def collect(connection: Connection, open_store: Callable[[], Store], appids: Sequence[str] = ()) -> Facts:
    """Find everything out; nothing is changed at WeChat.

    :param connection: as Airflow keeps it.
    :param open_store: opens the store; called only when tokens come from it.
    :param appids: Mini Programs to look at; none: three that the store, or the Connection, knows.
    """
    if connection.conn_type != CONN_TYPE:
        return Facts(conn_type=connection.conn_type or "")
    parts, read = _read(connection)
    if read is None:
        return Facts(conn_type=CONN_TYPE, parts=parts)
    probe = probed(read.egress)
    store, rows = _store(read, open_store)
    with ExitStack() as opened:
        credentials: WatchedCredentials | None = None
        if read.component_appsecret is not None and not isinstance(store, WxaError | Unknown):
            credentials = WatchedCredentials(read.component_appid, read.component_appsecret, store, read.egress)
            opened.callback(credentials.client.close)
        tokens = read.fixed.before(read.token_server or credentials)
        client = opened.enter_context(WxaClient(read.egress, tokens))
        platform_list = _platform_list(client, read, probe, rows)
        return Facts(
            conn_type=CONN_TYPE,
            parts=parts,
            connection=read,
            probe=probe,
            store=store,
            rows=rows,
            platform_list=platform_list,
            authorizer_list=_authorizer_list(client, read, rows, platform_list),
            merchants=_merchants(client, read, probe, platform_list, appids or _known_appids(read, rows)),
            fetched=credentials is not None
            and _token(credentials.store.platform(read.component_appid)) != _before(rows),
            early_deaths=credentials.early_deaths if credentials else (),
            forward_refusal=_forward_refusal(),
        )


def _forward_refusal() -> WxaSpecError | None:
    try:
        forward_pushes_to()
    except WxaSpecError as refused:
        return refused
    return None


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


def _read(connection: Connection) -> tuple[Parts, WxaConnection | None]:
    given: Any = connection.extra_dejson
    extra: dict[str, Any] = given if isinstance(given, dict) else {}
    place = {"host": connection.host, "schema": connection.schema, "port": connection.port}
    account = {"login": connection.login, "password": connection.password}

    def attempt(names: Collection[str], fields: Mapping[str, Any], **more: Any) -> WxaConnection | WxaSpecError:
        chosen = {name: value for name, value in extra.items() if name in names} | more
        part = Connection(conn_id=connection.conn_id, conn_type=CONN_TYPE, extra=json.dumps(chosen), **fields)
        try:
            return read_connection(part)
        except WxaSpecError as error:
            return error

    def refused(names: Collection[str], fields: Mapping[str, Any], **more: Any) -> WxaSpecError | None:
        read = attempt(names, fields, **more)
        return read if isinstance(read, WxaSpecError) else None

    others = extra.keys() - _PUSH_FIELDS
    host_refusal, push_refusal = refused((), place, allow_http=True), refused(_PUSH_FIELDS, {})
    parts = Parts(
        host=connection.host or "",
        allows_http=extra.get("allow_http") is True,
        is_plain_http=host_refusal is None and refused((), place) is not None,
        host_refusal=host_refusal,
        push_refusal=push_refusal,
        push_fields=frozenset(name for name in _PUSH_FIELDS if extra.get(name)),
        shown_secrets=tuple(name for name in _AES_KEYS if extra.get(name) and not _is_hidden(name)),
        other_refusal=_refused_extra(connection)
        or refused(others - ({"allow_http"} if isinstance(extra.get("allow_http"), bool) else set()), account),
    )
    read = attempt(others if push_refusal else extra.keys(), place | account)
    return parts, None if isinstance(read, WxaSpecError) or _refused_extra(connection) else read


def _refused_extra(connection: Connection) -> WxaSpecError | None:
    """Return why the extra is no object at all."""
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if isinstance(extra, dict):
        return None
    return WxaSpecError(Text("extra_is_no_json_object"), ())


def _is_hidden(name: str) -> bool:
    """Tell whether Airflow hides a field of an extra; its own list names tokens and secrets, and not this one."""
    if not conf.getboolean("core", "hide_sensitive_var_conn_fields", fallback=True):
        return False
    own = str(conf.get("core", "sensitive_var_conn_names", fallback="") or "").lower()
    return any(part.strip() in name for part in own.split(",") if part.strip())


def _store(
    read: WxaConnection, open_store: Callable[[], Store]
) -> tuple[Store | WxaError | Unknown, Mapping[str, Credential] | Unknown]:
    if read.token_url:
        why = Unknown(Text("tokens_come_from_the_token_server"))
        return why, why
    if not read.component_appid or read.component_appsecret is None:
        why = Unknown(Text("connection_has_no_login"))
        return why, why
    try:
        store = open_store()
        platform = store.platform(read.component_appid)
        rows = dict(store.merchants(read.component_appid))
    except WxaError as error:
        return error, Unknown(Text("unknown_the_store_cannot_be_read"))
    return store, rows | ({THE_PLATFORM: platform} if platform is not None else {})


def _before(rows: Mapping[str, Credential] | Unknown) -> Secret | None:
    return None if isinstance(rows, Unknown) else _token(rows.get(THE_PLATFORM))


def _token(row: Credential | None) -> Secret | None:
    return row.access_token if row is not None else None


def _unfit(probe: Probe) -> Unknown | None:
    """Return why no call with a token is made to this host."""
    if probe.failure is not None:
        return Unknown(Text("unknown_the_host_does_not_answer"))
    return None if probe.is_wechats else Unknown(Text("host_is_not_wechats"))


def _platform_list(
    client: WxaClient, read: WxaConnection, probe: Probe, rows: Mapping[str, Credential] | Unknown
) -> PlatformOutcome | WxaError | Unknown:
    if unfit := _unfit(probe):
        return unfit
    if not read.has_platform_token:
        return Unknown(Text("connection_has_no_platform_token"))
    if not read.fixed.platform and not read.token_url:
        if isinstance(rows, Unknown):
            return rows
        row = rows.get(THE_PLATFORM)
        if row is None or (row.renewal is None and row.seconds_left <= 0):
            return Unknown(Text("no_ticket_to_fetch_with"))
    return _attempted(lambda: client.run(modify_platform_domains("get")))


def _authorizer_list(
    client: WxaClient,
    read: WxaConnection,
    rows: Mapping[str, Credential] | Unknown,
    platform_list: PlatformOutcome | WxaError | Unknown,
) -> Reply | WxaError | Unknown:
    if isinstance(rows, Unknown):
        return rows
    if isinstance(platform_list, Unknown):
        return platform_list
    if isinstance(platform_list, WxaError):
        return Unknown(Text("unknown_the_platform_token_does_not"))
    return _attempted(lambda: client.send(api_get_authorizer_list(read.component_appid, 0, 1)))


def _known_appids(read: WxaConnection, rows: Mapping[str, Credential] | Unknown) -> Sequence[str]:
    if read.fixed.appids or isinstance(rows, Unknown):
        return read.fixed.appids[:_ASKED]
    return [appid for appid, row in rows.items() if appid != THE_PLATFORM and row.state == "authorised"][:_ASKED]


def _merchants(
    client: WxaClient,
    read: WxaConnection,
    probe: Probe,
    platform_list: PlatformOutcome | WxaError | Unknown,
    appids: Sequence[str],
) -> tuple[Merchant, ...] | Unknown:
    if unfit := _unfit(probe):
        return unfit
    if not read.fixed.appids and not read.token_url:  # without a platform token there is no merchant token either
        if isinstance(platform_list, Unknown):
            return platform_list
        if isinstance(platform_list, WxaError):
            return Unknown(Text("unknown_the_platform_token_does_not"))
    if not appids:
        return Unknown(Text("no_merchant_is_known"))
    component_appid = read.component_appid if isinstance(platform_list, PlatformOutcome) else ""
    return tuple(_merchant(client, component_appid, appid) for appid in dict.fromkeys(appids))


def _merchant(client: WxaClient, component_appid: str, appid: str) -> Merchant:
    def sent(call: Call) -> Reply | WxaError:
        return _attempted(lambda: client.send(call))

    info = sent(api_get_authorizer_info(component_appid, appid)) if component_appid else None
    if isinstance(info, WxaApiError) and info.errcode == ACCOUNT_NOT_AUTHORIZED:
        # Asking for its token would make a row in the store for somebody who is no merchant of ours.
        return Merchant(appid, info)
    quota = sent(queryquota(appid))
    return Merchant(appid, info, quota, None if isinstance(quota, WxaError) else sent(getaccountbasicinfo(appid)))


def _attempted(attempt: Callable[[], T]) -> T | WxaError:
    try:
        return attempt()
    except WxaError as error:
        return error

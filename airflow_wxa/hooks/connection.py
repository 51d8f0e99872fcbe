"""Read a Connection of type ``wxa``: address of the API, source of tokens, keys of pushes."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

from airflow.sdk import Connection

from airflow_wxa.access import FixedTokens, PlatformCredentials, TokenServer
from airflow_wxa.api import values
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import Egress, api_host
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_store
from airflow_wxa.texts import Text

_DEFAULT_TIMEOUT: Final = 10.0  # seconds
_AES_KEY_CHARACTERS: Final = 43
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
_TEXTS: Final = (
    "component_access_token",
    "token_url",
    "token_url_bearer",
    "push_token",
    "encoding_aes_key",
    "previous_encoding_aes_key",
    "proxy",
    "ca_bundle",
)


@dataclass(frozen=True, slots=True)
class WxaConnection:
    """A Connection that can be used; no field of it shows a secret.

    :param component_appid: the platform; empty when only fixed tokens are used.
    :param previous_encoding_aes_key: accepted beside the current one while WeChat changes over.
    """

    egress: Egress
    fixed: FixedTokens
    component_appid: str = ""
    component_appsecret: Secret | None = None
    token_url: Secret | None = None  # a query in it may hold a key
    token_url_bearer: Secret | None = None
    push_token: Secret | None = None
    encoding_aes_key: Secret | None = None
    previous_encoding_aes_key: Secret | None = None

    @property
    def platform(self) -> PlatformCredentials | None:
        """The platform's own credentials, one object a process; ``None`` without login and password."""
        if not self.component_appid or self.component_appsecret is None:
            return None
        return _platform(self.component_appid, self.component_appsecret, self.egress)

    @property
    def token_server(self) -> TokenServer | None:
        """The company's token server; ``None`` without ``token_url``."""
        if self.token_url is None:
            return None
        return TokenServer(self.token_url, self.token_url_bearer, self.component_appid, self.egress)

    @property
    def has_platform_token(self) -> bool:
        """Whether a platform token can be had."""
        return bool(self.fixed.platform or self.token_url or self.component_appsecret)

    @property
    def only_appids(self) -> tuple[str, ...] | None:
        """The Mini Programs that have fixed tokens, if no others can be had; ``None``: ask the store for them."""
        return None if self.token_url or self.component_appsecret else self.fixed.appids or None

    @property
    def long_lived(self) -> tuple[str, ...]:
        """The few secrets that Airflow is told to mask, raw and URL-encoded.

        Merchants' tokens are not among them: there are thousands, and each registration compiles one pattern of all.
        """
        of_fields = (getattr(self, each.name) for each in fields(self) if each.name != "token_url")
        raw = [each.reveal() for each in (self.fixed.platform, *of_fields) if isinstance(each, Secret)]
        return tuple(dict.fromkeys([*raw, *(quote(value, safe="") for value in raw)]))

    @property
    def tokens(self) -> FixedTokens:
        """Source of tokens: fixed ones, then the token server, else the platform's credentials.

        :raises WxaSpecError: the store that the credentials need cannot be opened.
        """
        return self.fixed.before(self.token_server or self.platform)


@cache
def _platform(component_appid: str, secret: Secret, egress: Egress) -> PlatformCredentials:
    return PlatformCredentials(component_appid, secret, open_store(), egress)


def read_connection(connection: Connection) -> WxaConnection:
    """Read the Connection.

    :raises WxaSpecError: all its problems together; no value of a secret field is shown.
    """
    read = connection_or_error(connection)
    if isinstance(read, WxaSpecError):
        raise read
    return read


def connection_or_error(connection: Connection) -> WxaConnection | WxaSpecError:
    """Return the same as :func:`read_connection`, the error too: raised in here, its frame would hold the secrets."""
    if connection.conn_type != "wxa":  # before anything of it is quoted: it may be anybody's
        return _refused(connection.conn_id, [Text("type_must_be_wxa", conn_type=repr(connection.conn_type))])
    problems: list[str] = []
    extra = _extra_of(connection, problems)
    merchants = _merchant_tokens(extra.get("authorizer_access_tokens"), problems)
    texts = {name: extra.get(name) or "" for name in _TEXTS}
    problems += [Text("extra_must_be_a_text", name=name) for name, value in texts.items() if not isinstance(value, str)]
    problems += _text_problems({name: value if isinstance(value, str) else "" for name, value in texts.items()})
    host = _checked_host(connection, extra, problems)
    timeout = _seconds(extra.get("timeout"), problems)
    if connection.password and not connection.login:
        problems.append(Text("password_without_login"))
    if problems:
        return _refused(connection.conn_id, problems)
    return WxaConnection(
        egress=Egress(host, timeout, texts.pop("proxy") or None, texts.pop("ca_bundle") or None),
        fixed=FixedTokens(merchants, texts.pop("component_access_token")),
        component_appid=connection.login or "",
        component_appsecret=Secret(connection.password) if connection.password else None,
        **{name: Secret(text) for name, text in texts.items() if text},
    )


def _extra_of(connection: Connection, problems: list[str]) -> dict[str, Any]:
    """Return ``extra``; Airflow reads one that is no JSON as empty, and token server, proxy and CA would be gone."""
    try:
        json.loads(connection.extra or "{}")
    except ValueError as error:
        problems.append(Text("extra_is_no_json", problem=getattr(error, "msg", "not readable")))
        return {}
    extra: Any = connection.extra_dejson
    if isinstance(extra, dict):
        return extra
    problems.append(Text("extra_is_no_object", kind=type(extra).__name__))
    return {}


def unknown_connection(conn_id: str) -> WxaSpecError:
    """Return the error for a Connection that Airflow does not know."""
    return _refused(conn_id, [Text("it_does_not_exist")])


def _refused(conn_id: str, problems: Sequence[str]) -> WxaSpecError:
    return WxaSpecError(Text("connection_is_refused", conn_id=repr(conn_id)), problems)


def _text_problems(texts: Mapping[str, str]) -> list[Text]:
    problems = []
    if texts["token_url"]:
        try:
            api_host(texts["token_url"].split("/", 3)[0] + "//" + texts["token_url"].split("/", 3)[2])
        except (WxaSpecError, IndexError):
            problems.append(Text("token_url_must_be_https", host=_host_in(texts["token_url"])))
    problems += [
        Text("aes_key_must_have_43_characters", name=name, count=len(texts[name]))
        for name in ("encoding_aes_key", "previous_encoding_aes_key")
        if texts[name] and not _is_aes_key(texts[name])
    ]
    return problems


def _host_in(url: str) -> str:
    """Return the host's name as a refusal shows it, and nothing else of the URL."""
    try:
        hostname = urlsplit(url).hostname
    except ValueError:
        hostname = None
    return f" (host {hostname})" if hostname else ""


def _seconds(value: Any, problems: list[str]) -> float:
    """Return the time-out; a Connection given as URI holds it as a text."""
    if value in (None, ""):
        return _DEFAULT_TIMEOUT
    with suppress(ValueError):
        if seconds := values.number(value):
            return seconds
    problems.append(Text("timeout_must_be_above_0", value=repr(value)))
    return _DEFAULT_TIMEOUT


def _is_aes_key(text: str) -> bool:
    try:
        return len(text) == _AES_KEY_CHARACTERS and len(base64.b64decode(f"{text}=", validate=True)) == 32  # noqa: PLR2004
    except binascii.Error:
        return False


def _checked_host(connection: Connection, extra: Mapping[str, Any], problems: list[str]) -> str:
    """Return the API's host, completed by the port and the schema that a Connection given as URI holds apart."""
    said = extra.get("allow_http")
    allow_http = _FLAGS.get(str("" if said is None else said).strip().lower())  # as text in a Connection given as URI
    if allow_http is None:
        problems.append(Text("allow_http_must_be_a_flag", said=repr(said)))
    host = connection.host or ""
    if host and "://" not in host and connection.schema in {"http", "https"}:
        host = f"{connection.schema}://{host}"
    if host and connection.port:
        host = f"{host}:{connection.port}"
    try:
        return api_host(host, allow_http=allow_http is True)
    except WxaSpecError as error:
        problems += error.problems
        return ""


def _merchant_tokens(value: Any, problems: list[str]) -> Mapping[str, str]:
    """Return appid → token; the form in the UI sends the object as a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except ValueError:
            problems.append(Text("merchant_tokens_are_no_json"))
            return {}
    if not value:
        return {}
    if not isinstance(value, dict):
        problems.append(Text("merchant_tokens_are_no_object", kind=type(value).__name__))
        return {}
    bad = sorted(str(appid) for appid, token in value.items() if not (isinstance(token, str) and token))
    problems += [Text("merchant_token_must_be_a_text", appid=repr(appid)) for appid in bad]
    return value

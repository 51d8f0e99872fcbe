"""Checks of every call before its endpoint sees it, in WeChat's order, and the endpoint of each path.

method (43001, 43002) → token present (41001) → token valid (42001, 40001) → token of the right kind (61014, 61015) →
IP list (61004) → authorisation (61003) → permission set (61007) → body present (44002) → body is JSON (47001).
"""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from airflow_wxa.sandbox.errors import Errcode, RefusalError, refuse_if
from airflow_wxa.sandbox.platforms import Platform
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import AnyAccount, World

DEVELOPMENT_SET = 18
PLATFORM_EXPIRED = {42001: Errcode.TOKEN_EXPIRED, 42006: Errcode.PLATFORM_TOKEN_EXPIRED}
TOKEN_NAMES = ("access_token", "component_access_token")

Body = dict[str, Any]
Answer = dict[str, Any] | bytes
HandlerT = TypeVar("HandlerT", bound=Callable[..., Answer | None])


@dataclass(frozen=True, slots=True)
class Request:
    """A call as WeChat sees it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)  #: tokens included
    raw: bytes = field(default=b"", repr=False)

    @property
    def tokens(self) -> list[str]:
        """Every token that came along, under either name."""
        return [self.query[name] for name in TOKEN_NAMES if self.query.get(name)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One path of WeChat's API."""

    path: str
    method: str
    #: answers a call that passed the gate, or raises :class:`RefusalError`; bytes are a JPEG, ``None`` is errcode 0.
    #: The body of a GET is its query without tokens.
    handle: Callable[..., Answer | None]
    #: class of the account whose token it wants; None where the body itself says who calls and proves it
    account: Any
    fields: frozenset[str] = frozenset()  #: the request fields that it knows
    writes: bool = False  #: whether it changes what reads show
    empty_body: bool = False  #: whether a POST without a body is accepted
    permission_set: int | None = DEVELOPMENT_SET  #: the set that a merchant has to have granted; None for none
    media: bool = False  #: whether the body is no JSON but an upload, which the handler gets as ``media``
    old_query_name: bool = False  #: whether the token is taken from ``component_access_token`` as well
    #: the methods that a world accepts; None for ``method`` alone
    methods: Callable[[World], tuple[str, ...]] | None = None

    def answer(self, world: World, request: Request, owner: AnyAccount | None) -> Answer:
        """Let the endpoint answer a call that passes the gate; it is refused at the first question it fails."""
        accepted = self.methods(world) if self.methods else (self.method,)
        if request.method not in accepted:
            raise RefusalError(Errcode.REQUIRE_POST if "POST" in accepted else Errcode.REQUIRE_GET)
        if self.account is None:
            return self.handle(world, self._body(request)) or ok()
        account = _with_valid_token(world, self.token(request), owner)
        self._check_admitted(world, account)
        body = self._body(request)
        with world.writing(account) if self.writes else nullcontext():
            return self.handle(world, account, body) or ok()

    def token(self, request: Request) -> str:
        """Return the token of a call, from the place that this endpoint reads; empty when there is none."""
        older = request.query.get("component_access_token", "") if self.old_query_name else ""
        return request.query.get("access_token", "") or older

    def unknown_fields(self, body: Any) -> list[str]:
        """Return the fields of a request that this endpoint does not know."""
        return sorted(body.keys() - self.fields) if isinstance(body, dict) else []

    def _check_admitted(self, world: World, account: AnyAccount) -> None:
        if not isinstance(account, self.account):
            wants_platform = self.account is Platform
            raise RefusalError(Errcode.NEEDS_PLATFORM_TOKEN if wants_platform else Errcode.NEEDS_MERCHANT_TOKEN)
        refuse_if(not world.platform_of(account).ip_allowed, Errcode.IP_NOT_REGISTERED)
        if isinstance(account, MiniProgram):
            refuse_if(not account.authorised, Errcode.NOT_AUTHORISED)
            needed = self.permission_set
            refuse_if(needed is not None and needed not in account.granted_sets, Errcode.SET_NOT_GRANTED)

    def _body(self, request: Request) -> Body:
        if request.method == "GET":
            return {name: value for name, value in request.query.items() if name not in TOKEN_NAMES}
        if self.media and request.raw:
            return {"media": request.raw}
        return {} if self.empty_body and not request.raw else parsed(request.raw)


ENDPOINTS: dict[str, Endpoint] = {}


def answers(call: str, account: Any, fields: str = "", **more: Any) -> Callable[[HandlerT], HandlerT]:
    """Declare the handler of a call: a function of world, account and body.

    :param call: method and path, ``POST /wxa/commit``.
    :param account: class of the account whose token it wants; None for no token, and then its handler gets no account.
    :param fields: names of its request fields, separated by blanks.
    :param more: further fields of :class:`Endpoint`.
    """
    method, path = call.split()

    def declare(handle: HandlerT) -> HandlerT:
        known = frozenset(fields.split())
        ENDPOINTS[path] = Endpoint(path=path, method=method, account=account, handle=handle, fields=known, **more)
        return handle

    return declare


def ok(**told: Any) -> Answer:
    """Return an answer that says ``errcode`` 0."""
    return {"errcode": 0, "errmsg": "ok", **told}


def _with_valid_token(world: World, token: str, owner: AnyAccount | None) -> AnyAccount:
    """Return the owner of a token that works.

    :raises RefusalError: 41001 without one, 42001 (or what the world says for a platform's) for an expired one, 40001
        for any other that is not current.
    """
    refuse_if(not token, Errcode.TOKEN_MISSING)
    is_expired = token in world.expired_tokens
    if owner is None:
        raise RefusalError(Errcode.TOKEN_EXPIRED if is_expired else Errcode.INVALID_CREDENTIAL)
    errcode = Errcode.TOKEN_EXPIRED if is_expired else owner.errcode_of(token, world.time())
    if errcode is Errcode.TOKEN_EXPIRED and isinstance(owner, Platform):
        errcode = PLATFORM_EXPIRED[world.platform_expired_errcode]
    if errcode:
        raise RefusalError(errcode)
    return owner


def parsed(raw: bytes) -> Body:
    """Return a POST body as an object; refuse none with 44002, anything but an object in UTF-8 with 47001."""
    refuse_if(not raw, Errcode.EMPTY_POST_DATA)
    try:
        body = strict_json(raw.decode())
    except (ValueError, RecursionError) as error:
        raise RefusalError(Errcode.DATA_FORMAT_ERROR) from error
    if not isinstance(body, dict):
        raise RefusalError(Errcode.DATA_FORMAT_ERROR)
    return body


def strict_json(text: str) -> Any:
    """Parse JSON without the NaN and Infinity that Python would take; a ValueError says that it is none."""
    return _DECODER.decode(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)

"""What WeChat asks of every call before its endpoint looks at it, in WeChat's order.

method (43001, 43002) → token present (41001) → token valid (42001, 40001) → token of the right kind (61014, 61015) →
IP list (61004) → authorisation (61003) → permission set (61007) → body present (44002) → body is JSON (47001).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from airflow_wxa.sandbox import errors
from airflow_wxa.sandbox.errors import RefusalError
from airflow_wxa.sandbox.platforms import Platform
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.tokens import errcode_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox.accounts import Account
    from airflow_wxa.sandbox.world import World

DEVELOPMENT_SET = 18

Body = dict[str, Any]
Answer = dict[str, Any] | bytes
AccountT = TypeVar("AccountT", Platform, MiniProgram)


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint(Generic[AccountT]):
    """One path of WeChat's API.

    :param account: whose token it wants.
    :param handle: answers a call that passed the gate, or raises :class:`RefusalError`; bytes are a JPEG.
    :param empty_body: whether a POST without a body is accepted.
    :param permission_set: the set that a merchant has to have granted.
    :param old_query_name: whether the token is taken from ``component_access_token`` as well.
    :param methods: the methods that this world accepts; None for ``method`` alone.
    """

    path: str
    method: str
    account: type[AccountT]
    handle: Callable[[World, AccountT, Body], Answer]
    empty_body: bool = False
    permission_set: int = DEVELOPMENT_SET
    old_query_name: bool = False
    methods: Callable[[World], tuple[str, ...]] | None = None

    def answer(self, world: World, method: str, token: str, raw: bytes) -> Answer:
        """Take a call through the gate and let the endpoint answer it.

        :param token: as the query brought it, empty when absent.
        :param raw: the body as it came.
        :raises RefusalError: at the first question that the call fails.
        """
        check_method(method, self.methods(world) if self.methods else (self.method,))
        account = self._admitted(world, valid_owner(world, token))
        if method == "GET" or (self.empty_body and not raw):
            return self.handle(world, account, {})
        return self.handle(world, account, parsed(raw))

    def _admitted(self, world: World, account: Account) -> AccountT:
        if not isinstance(account, self.account):
            wants_platform = self.account is Platform
            raise RefusalError(errors.NEEDS_PLATFORM_TOKEN if wants_platform else errors.NEEDS_MERCHANT_TOKEN)
        if not world.platform_of(account).ip_allowed:
            raise RefusalError(errors.IP_NOT_REGISTERED)
        if isinstance(account, MiniProgram):
            if not account.authorised:
                raise RefusalError(errors.NOT_AUTHORISED)
            if self.permission_set not in account.granted_sets:
                raise RefusalError(errors.SET_NOT_GRANTED)
        return account


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenEndpoint:
    """A path that is called without a token: the body says who calls, and its secret proves it.

    :param handle: answers a call whose body is JSON, or raises :class:`RefusalError`.
    :param account: whose token it wants: nobody's.
    """

    path: str
    handle: Callable[[World, Body], Answer]
    method: str = "POST"
    account: type[None] = NoneType
    old_query_name: bool = False

    def answer(self, world: World, method: str, token: str, raw: bytes) -> Answer:  # noqa: ARG002
        """Let the endpoint answer a call, whatever token came along.

        :raises RefusalError: at the first question that the call fails.
        """
        check_method(method, (self.method,))
        return self.handle(world, parsed(raw))


def check_method(method: str, accepted: tuple[str, ...]) -> None:
    """Look whether a call was made as its page says.

    :raises RefusalError: 43002 where POST is accepted, 43001 where only GET is.
    """
    if method not in accepted:
        raise RefusalError(errors.REQUIRE_POST if "POST" in accepted else errors.REQUIRE_GET)


def valid_owner(world: World, token: str) -> Account:
    """Return whose token it is.

    :raises RefusalError: 41001 without one, 42001 (or what the world says for a platform's) for an expired one, 40001
        for any other that is not current.
    """
    if not token:
        raise RefusalError(errors.TOKEN_MISSING)
    owner, expired = world.owner(token), token in world.expired_tokens
    if owner is None:
        raise RefusalError(errors.TOKEN_EXPIRED if expired else errors.INVALID_CREDENTIAL)
    errcode = errors.TOKEN_EXPIRED if expired else errcode_of(owner.issued, token, world.time())
    if errcode == errors.TOKEN_EXPIRED and isinstance(owner, Platform):
        errcode = world.platform_expired_errcode
    if errcode:
        raise RefusalError(errcode)
    return owner


def parsed(raw: bytes) -> Body:
    """Return a POST body as an object.

    :raises RefusalError: 44002 when there is none, 47001 when it is no JSON object in UTF-8.
    """
    if not raw:
        raise RefusalError(errors.EMPTY_POST_DATA)
    try:
        body = strict_json(raw.decode())
    except (ValueError, RecursionError) as error:
        raise RefusalError(errors.DATA_FORMAT_ERROR) from error
    if not isinstance(body, dict):
        raise RefusalError(errors.DATA_FORMAT_ERROR)
    return body


def strict_json(text: str) -> Any:
    """Parse JSON without the NaN and Infinity that Python would take.

    :raises ValueError: it is none.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")

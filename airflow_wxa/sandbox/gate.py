"""What WeChat asks of every call before its endpoint looks at it, in WeChat's order.

method (43001, 43002) → token present (41001) → token valid (42001, 40001) → token of the right kind (61014, 61015) →
IP list (61004) → permission set (61007) → body present (44002) → body is JSON (47001).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from airflow_wxa.sandbox import errors
from airflow_wxa.sandbox.errors import RefusalError
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import Account, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """

    path: str
    method: str
    account: type[AccountT]
    handle: Callable[[World, AccountT, Body], Answer]
    empty_body: bool = False

    def answer(self, world: World, method: str, token: str, raw: bytes) -> Answer:
        """Take a call through the gate and let the endpoint answer it.

        :param token: the query parameter ``access_token``, empty when absent.
        :param raw: the body as it came.
        :raises RefusalError: at the first question that the call fails.
        """
        if method != self.method:
            raise RefusalError(errors.REQUIRE_POST if self.method == "POST" else errors.REQUIRE_GET)
        account = self._admitted(world, valid_owner(world, token))
        if self.method == "GET" or (self.empty_body and not raw):
            return self.handle(world, account, {})
        return self.handle(world, account, parsed(raw))

    def _admitted(self, world: World, account: Account) -> AccountT:
        if not isinstance(account, self.account):
            wants_platform = self.account is Platform
            raise RefusalError(errors.NEEDS_PLATFORM_TOKEN if wants_platform else errors.NEEDS_MERCHANT_TOKEN)
        if not world.platform_of(account).ip_allowed:
            raise RefusalError(errors.IP_NOT_REGISTERED)
        if isinstance(account, MiniProgram) and DEVELOPMENT_SET not in account.granted_sets:
            raise RefusalError(errors.SET_NOT_GRANTED)
        return account


def valid_owner(world: World, token: str) -> Account:
    """Return whose token it is.

    :raises RefusalError: 41001 without one, 42001 for an expired one, 40001 for any other that is not current.
    """
    if not token:
        raise RefusalError(errors.TOKEN_MISSING)
    if token in world.expired_tokens:
        raise RefusalError(errors.TOKEN_EXPIRED)
    owner = world.owner(token)
    if owner is None:
        raise RefusalError(errors.INVALID_CREDENTIAL)
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

"""Tickets, authorisations and access tokens: their holders, their ends, and the tokens that die with them.

A merchant authorises a platform: a code appears, and nobody has a token yet. The code is exchanged once, for an access
token and a refresh token; until then the list of authorisers shows an empty refresh token. A refresh answers a new
access token and a refresh token, which may be a new one: then the old one dies, at once or after a grace period. A
merchant that withdraws takes everything along, and a later authorisation starts with another refresh token.

An access token that was set when the world was built (``component_access_token``, ``authorizer_access_token``) is
fixed: it works until it is replaced by hand or put into ``World.expired_tokens``. An issued one ends in one of two
ways:

* its ``expires_in`` is over: 42001. The table of errcodes has 42006 for the platform's token as well, seen in client
  code only, while the clients that are in production refresh on 40001, 40014 and 42001. So 42001 is the default for
  both, and ``World.platform_expired_errcode`` sets the other.
* a newer one was issued and the overlap is over: 40001, "not latest". WeChat writes the overlap of five minutes down
  for ordinary accounts; that platforms and merchants have it too is a guess, so ``Platform.overlap_seconds`` sets it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox.errors import Errcode, RefusalError, refuse_if

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.sandbox.platforms import Platform
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

TICKET_SECONDS = 12 * 3600
PRE_AUTH_CODE_SECONDS = 600
# What the sample of the `authorized` event leaves between its making and its end.
CODE_SECONDS = 3600
KEPT = 8


@dataclass(kw_only=True, slots=True)
class Issued:
    """One issued access token."""

    value: str = field(repr=False)
    expires_at: float  #: epoch seconds by the world's clock
    usable_until: float | None = None  #: epoch seconds, set when a newer one was issued

    def errcode_at(self, now: float) -> Errcode | None:
        """Return the errcode that refuses a call with this token, by its first end; None while it works."""
        if self.usable_until is not None and self.usable_until <= min(now, self.expires_at):
            return Errcode.INVALID_CREDENTIAL
        return Errcode.TOKEN_EXPIRED if self.expires_at <= now else None


class Account:
    """Common ground of platforms and Mini Programs: access tokens, and other words that nothing may show."""

    __slots__ = ()
    issued: list[Issued]

    @property
    def fixed_token(self) -> str:
        """The token that was set by hand; empty when there is none."""
        raise NotImplementedError

    def access_tokens(self) -> list[str]:
        """Return the fixed token and the issued ones, dead ones included."""
        return [*([self.fixed_token] if self.fixed_token else ()), *(each.value for each in self.issued)]

    def errcode_of(self, token: str, now: float) -> Errcode | None:
        """Return what one of its tokens is refused with; one that is not among the issued ones is fixed and works."""
        return next((each.errcode_at(now) for each in self.issued if each.value == token), None)

    @classmethod
    @cache
    def _secret_fields(cls) -> tuple[str, ...]:
        own: Any = cls
        return tuple(each.name for each in fields(own) if each.metadata.get("secret"))

    def secrets(self) -> Iterator[str]:
        """Yield everything that nothing may show."""
        for name in self._secret_fields():
            if name == "issued":
                yield from (each.value for each in self.issued)
                continue
            value = getattr(self, name)
            yield from (value if isinstance(value, dict) else (value,))

    def keep_secrets_of(self, before: Account) -> None:
        """Take over every secret that this state came without from an earlier state of the same account."""
        for name in self._secret_fields():
            if not getattr(self, name):
                setattr(self, name, getattr(before, name))


def new_ticket(world: World, platform: Platform) -> str:
    """Make a ticket; earlier ones go on working for their 12 hours."""
    ticket = world.new_secret("ticket@@@")
    platform.tickets[ticket] = world.time()
    return ticket


def check_ticket(world: World, platform: Platform, ticket: object) -> None:
    """Look whether a ticket is one of the platform's.

    :raises RefusalError: 61006 for an unknown one, 61005 for one older than 12 hours.
    """
    if not isinstance(ticket, str) or not ticket:
        raise RefusalError(Errcode.TICKET_INVALID)
    refuse_if(ticket in world.expired_tokens, Errcode.TICKET_EXPIRED)
    if ticket == platform.component_verify_ticket:
        return
    refuse_if(ticket not in platform.tickets, Errcode.TICKET_INVALID)
    refuse_if(world.time() - platform.tickets[ticket] >= TICKET_SECONDS, Errcode.TICKET_EXPIRED)


def new_access_token(world: World, account: Platform | MiniProgram) -> Issued:
    """Issue an access token and start the end of the earlier ones."""
    platform, now = world.platform_of(account), world.time()
    token = Issued(value=world.new_secret("61_"), expires_at=now + platform.expires_in)
    for each in account.issued:
        if each.usable_until is None:
            each.usable_until = now + platform.overlap_seconds
    # A few dead ones stay, so that the journal can still say whose they were.
    usable = [each for each in account.issued[:-KEPT] if each.errcode_at(now) is None]
    account.issued = [*usable, *account.issued[-KEPT:], token]
    world.note_token(account, token.value)
    return token


def authorise(world: World, account: MiniProgram) -> str:
    """Let a merchant authorise its platform, for the first time or again.

    :return: an authorization code, which replaces one that was not exchanged.
    """
    if not account.authorised:
        account.issued = []
    account.authorised, account.auth_time = True, world.now()
    account.code = world.new_secret("queryauthcode@@@")
    account.code_expires_at = world.time() + CODE_SECONDS
    return account.code


def withdraw(account: MiniProgram) -> None:
    """Let a merchant withdraw: its refresh tokens and code are gone, calls with its access tokens answer 61003."""
    account.authorised = False
    account.refresh_token = account.code = ""
    account.replaced_refresh_tokens = {}


def exchange(world: World, platform: Platform, code: object) -> tuple[MiniProgram, Issued]:
    """Take an authorization code for the first tokens.

    :raises RefusalError: 61009 for a code that is unknown, used or another platform's; 61010 for one that has run out.
    """
    account = world.account_with_code(code) if isinstance(code, str) else None
    if account is None or account.component_appid != platform.component_appid:
        raise RefusalError(Errcode.CODE_INVALID)
    refuse_if(account.code_expires_at is not None and account.code_expires_at <= world.time(), Errcode.CODE_EXPIRED)
    account.code = ""
    account.refresh_token = account.refresh_token or world.new_secret("refreshtoken@@@")
    return account, new_access_token(world, account)


def refresh(world: World, account: MiniProgram, refresh_token: object) -> Issued:
    """Issue an access token for a refresh token, which is replaced when its platform says so.

    An earlier one that is in its grace period is answered with the current one, and replaces nothing: a client that
    lost an answer and asks again must not kill what it is about to be told.

    :raises RefusalError: 61023 for a refresh token that is dead or was never one.
    """
    now = world.time()
    current = account.refresh_token
    if not current or (
        refresh_token != current
        and not (isinstance(refresh_token, str) and account.replaced_refresh_tokens.get(refresh_token, now) > now)
    ):
        raise RefusalError(Errcode.REFRESH_TOKEN_INVALID)
    platform = world.platform_of(account)
    if refresh_token == current and platform.rotate_refresh_tokens == "each":
        kept = {each: until for each, until in account.replaced_refresh_tokens.items() if until > now}
        account.replaced_refresh_tokens = {**kept, current: now + platform.refresh_grace_seconds}
        account.refresh_token = world.new_secret("refreshtoken@@@")
    return new_access_token(world, account)

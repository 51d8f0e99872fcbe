"""Tickets, authorisations and refreshes: who may have which token, and which one dies for it.

A merchant authorises a platform: a code appears, and nobody has a token yet. The code is exchanged once, for an access
token and a refresh token; until then the list of authorisers shows an empty refresh token. A refresh answers a new
access token and a refresh token, which may be a new one: then the old one dies, at once or after a grace period. A
merchant that withdraws takes everything along, and a later authorisation starts with another refresh token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.sandbox import errors
from airflow_wxa.sandbox.errors import RefusalError
from airflow_wxa.sandbox.tokens import Issued, with_newer

if TYPE_CHECKING:
    from airflow_wxa.sandbox.accounts import Account
    from airflow_wxa.sandbox.platforms import Platform
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

TICKET_SECONDS = 12 * 3600
PRE_AUTH_CODE_SECONDS = 600
# What the sample of the `authorized` event leaves between its making and its end.
CODE_SECONDS = 3600


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
        raise RefusalError(errors.TICKET_INVALID)
    if ticket in world.expired_tokens:
        raise RefusalError(errors.TICKET_EXPIRED)
    if ticket == platform.component_verify_ticket:
        return
    if ticket not in platform.tickets:
        raise RefusalError(errors.TICKET_INVALID)
    if world.time() - platform.tickets[ticket] >= TICKET_SECONDS:
        raise RefusalError(errors.TICKET_EXPIRED)


def new_access_token(world: World, account: Account) -> Issued:
    """Issue an access token and start the end of the earlier ones."""
    platform, now = world.platform_of(account), world.time()
    token = Issued(value=world.new_secret("61_"), expires_at=now + platform.expires_in)
    account.issued = with_newer(account.issued, token, now=now, overlap=platform.overlap_seconds)
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
        raise RefusalError(errors.CODE_INVALID)
    if account.code_expires_at is not None and account.code_expires_at <= world.time():
        raise RefusalError(errors.CODE_EXPIRED)
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
        raise RefusalError(errors.REFRESH_TOKEN_INVALID)
    platform = world.platform_of(account)
    if refresh_token == current and platform.rotate_refresh_tokens == "each":
        kept = {each: until for each, until in account.replaced_refresh_tokens.items() if until > now}
        account.replaced_refresh_tokens = {**kept, current: now + platform.refresh_grace_seconds}
        account.refresh_token = world.new_secret("refreshtoken@@@")
    return new_access_token(world, account)

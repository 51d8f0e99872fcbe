"""What platforms and Mini Programs have in common: an appid, access tokens, and other words that nothing may show."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox.platforms import Platform
from airflow_wxa.sandbox.state import MiniProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

Account = Platform | MiniProgram


def token_of(account: Account) -> str:
    """Return the fixed token of an account; empty when it has none."""
    if isinstance(account, Platform):
        return account.component_access_token
    return account.authorizer_access_token


def appid_of(account: Account) -> str:
    """Return the appid of a platform or a Mini Program."""
    return account.component_appid if isinstance(account, Platform) else account.appid


def access_tokens(account: Account) -> list[str]:
    """Return the fixed token and the issued ones, dead ones included."""
    fixed = token_of(account)
    return [*([fixed] if fixed else ()), *(each.value for each in account.issued)]


_SECRET_FIELDS = {
    cls: tuple(each.name for each in fields(cls) if each.metadata.get("secret")) for cls in (Platform, MiniProgram)
}


def secrets_of(account: Account) -> Iterator[str]:
    """Yield everything about an account that nothing may show."""
    for name in _SECRET_FIELDS[type(account)]:
        if name == "issued":
            yield from (each.value for each in account.issued)
            continue
        value = getattr(account, name)
        yield from (value if isinstance(value, dict) else (value,))


def keep_secrets(before: Account, after: Account) -> None:
    """Give an account that came without a secret the one it had.

    :param after: the same account in another state; both are of the same kind.
    """
    for name in _SECRET_FIELDS[type(after)]:
        kept: Any = getattr(before, name)
        if not getattr(after, name):
            setattr(after, name, kept)

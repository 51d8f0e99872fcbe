"""Values that must not be shown, and texts that must not show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

# The shape of our query, in a URL and in one that was encoded into another.
_TOKEN_QUERY = re.compile(r"((?:component_|authorizer_)?access_token(?:=|%3[Dd]))[^&\s\"'<>]+")


class Secret:
    """A token or secret on its way to the wire; ``str``, ``repr`` and ``format`` say nothing about it.

    :param reads_at: scheme, host and port of a server that takes this token in place of WeChat, and reads only.
    """

    __slots__ = ("_value", "reads_at")

    def __init__(self, value: str, reads_at: str = "") -> None:
        self._value = value
        self.reads_at = reads_at

    def reveal(self) -> str:
        """Return the value itself; only the rooms that do HTTP ask for it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a Secret does not leave its process: look the token up again where it is needed")


def without_token_queries(text: str) -> str:
    """Return ``text`` with the value of every ``access_token=…`` query replaced by ``***``."""
    return _TOKEN_QUERY.sub(r"\1***", text)


def without_secrets(text: str, secrets: Iterable[Secret]) -> str:
    """Return ``text`` without these secrets, raw or URL-encoded, and without any token query.

    The answer of a remote side can echo the requested URL: a proxy's error page does.
    """
    for secret in secrets:
        value = secret.reveal()
        for form in {value, quote(value, safe=""), quote_plus(value)}:
            text = text.replace(form, "***")
    return without_token_queries(text)

"""What the client asks of whoever keeps the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret

__all__ = ["TokenSource"]


class TokenSource(Protocol):
    """Gives the token that a call needs: by the kind its endpoint wants, and by appid, never by anything else."""

    def token(self, call: Call) -> Secret:
        """Return the token.

        :raises WxaSpecError: this source has none for the call; nothing is sent.
        :raises WxaError: it could not be fetched.
        """
        ...

    def renewed(self, call: Call, refused: Secret) -> Secret | None:
        """Return another token instead of one that WeChat refused; ``None``: this source has no other.

        :raises WxaError: it could not be fetched.
        """
        ...

    async def atoken(self, call: Call) -> Secret:
        """Return the same as :meth:`token` without blocking an event loop."""
        ...

    async def arenewed(self, call: Call, refused: Secret) -> Secret | None:
        """Return the same as :meth:`renewed` without blocking an event loop."""
        ...

"""Several sources in the order of the Connection: fixed tokens, token server, platform credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_wxa.access.fixed import FixedTokens
    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.client import TokenSource

__all__ = ["FirstOf"]


class FirstOf:
    """A :class:`~airflow_wxa.client.tokens.TokenSource`: a fixed token where there is one, else the other source.

    :param fixed: asked first; also for the error when there is no other source.
    :param other: token server or platform credentials; ``None`` when the Connection names neither.
    """

    def __init__(self, fixed: FixedTokens, other: TokenSource | None) -> None:
        self.fixed = fixed
        self.other = other

    def source_of(self, call: Call) -> TokenSource:
        """Return the source that this call's token comes from."""
        return self.fixed if self.other is None or self.fixed.has(call) else self.other

    def token(self, call: Call) -> Secret:
        """Return the token of the first source that has one."""
        return self.source_of(call).token(call)

    def renewed(self, call: Call, refused: Secret) -> Secret | None:
        """Ask the same source for another token."""
        return self.source_of(call).renewed(call, refused)

    async def atoken(self, call: Call) -> Secret:
        """Return the same as :meth:`token` without blocking."""
        return await self.source_of(call).atoken(call)

    async def arenewed(self, call: Call, refused: Secret) -> Secret | None:
        """Return the same as :meth:`renewed` without blocking."""
        return await self.source_of(call).arenewed(call, refused)

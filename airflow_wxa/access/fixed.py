"""Fixed tokens from the Connection, for trying a few Mini Programs: nothing refreshes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.call import Call

__all__ = ["FixedTokens"]


class FixedTokens:
    """A :class:`~airflow_wxa.client.tokens.TokenSource` of tokens that somebody wrote down.

    :param authorizer_access_tokens: appid → merchant token.
    :param component_access_token: the platform's token; empty when there is none.
    """

    def __init__(self, authorizer_access_tokens: Mapping[str, str], component_access_token: str = "") -> None:
        self._merchants = {appid: Secret(token) for appid, token in authorizer_access_tokens.items()}
        self._platform = Secret(component_access_token) if component_access_token else None

    @property
    def appids(self) -> tuple[str, ...]:
        """The Mini Programs that have a token here, sorted."""
        return tuple(sorted(self._merchants))

    @property
    def platform(self) -> Secret | None:
        """The platform's token, if it is here."""
        return self._platform

    @property
    def has_platform(self) -> bool:
        """Whether the platform's token is here."""
        return self._platform is not None

    def has(self, call: Call) -> bool:
        """Tell whether the token of this call is here."""
        return self._find(call) is not None

    def token(self, call: Call) -> Secret:
        """Return the token of the call's Mini Program, or the platform's.

        :raises WxaSpecError: it is not among the fixed ones; nothing is sent.
        """
        token = self._find(call)
        if token is None:
            raise self.missing(call)
        return token

    def _find(self, call: Call) -> Secret | None:
        if call.endpoint.token is TokenKind.PLATFORM:
            return self._platform
        return self._merchants.get(call.appid or "")

    def renewed(self, call: Call, refused: Secret) -> None:
        """Return ``None``: a fixed token has no successor."""

    async def atoken(self, call: Call) -> Secret:
        """Return the same as :meth:`token`; nothing here blocks."""
        return self.token(call)

    async def arenewed(self, call: Call, refused: Secret) -> None:
        """Return ``None`` as :meth:`renewed` does."""

    def missing(self, call: Call) -> WxaSpecError:
        """Return the error for a call whose token is not here."""
        platform = call.endpoint.token is TokenKind.PLATFORM
        field = "component_access_token" if platform else f"authorizer_access_tokens[{call.appid!r}]"
        known = ", ".join(self.appids) or "none"
        return WxaSpecError(
            f"{call.endpoint.name} not sent: the Connection has no token for it",
            [f"extra {field} is missing" + ("" if platform else f"; tokens are there for: {known}")],
            why="A merchant's call carries no appid, its token alone picks the Mini Program: no other token will do."
            if not platform
            else "The platform's own list is changed and read with the platform's token only.",
            next_step=f"add {field} to the Connection's extra, give login and password (component_appid, "
            "component_appsecret), or name another Connection",
            endpoint=call.endpoint.name,
            appid=call.appid,
        )

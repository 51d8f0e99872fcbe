"""Fixed tokens from the Connection, for trying a few Mini Programs: nothing refreshes them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_wxa.client import TokenSource


class FixedTokens:
    """A :class:`~airflow_wxa.client.TokenSource`: tokens that somebody wrote down, before those of another source.

    :param authorizer_access_tokens: appid → merchant token.
    :param component_access_token: the platform's token; empty when there is none.
    :param other: asked for tokens missing here; ``None``: nobody else has any.
    """

    def __init__(
        self,
        authorizer_access_tokens: Mapping[str, str],
        component_access_token: str = "",
        other: TokenSource | None = None,
    ) -> None:
        tokens = {**authorizer_access_tokens, THE_PLATFORM: component_access_token}
        self._tokens = {owner: Secret(token) for owner, token in tokens.items() if token}
        self.other = other

    def before(self, other: TokenSource | None) -> FixedTokens:
        """Return the same tokens, before those of another source."""
        both = copy(self)
        both.other = other
        return both

    @property
    def appids(self) -> tuple[str, ...]:
        """The Mini Programs that have a token here, sorted."""
        return tuple(sorted(self._tokens.keys() - {THE_PLATFORM}))

    @property
    def platform(self) -> Secret | None:
        """The platform's token, if it is here."""
        return self._tokens.get(THE_PLATFORM)

    def known(self, owner: str) -> Secret | None:
        """Return the token of this owner, if it is here, or the other source knows it."""
        token = self._tokens.get(owner)
        return token if token is not None or self.other is None else self.other.known(owner)

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        """Return the token of this owner, also a refused one: nothing refreshes it.

        :raises WxaSpecError: nobody has one; nothing is sent.
        """
        token = self._tokens.get(owner)
        if token is not None:
            return token
        if self.other is None:
            raise self.missing(owner)
        return self.other.token(owner, refused)

    def preload(self, owners: Collection[str]) -> None:
        """Let the other source get those of its own at hand."""
        if self.other is not None:
            self.other.preload([owner for owner in owners if owner not in self._tokens])

    def missing(self, owner: str) -> WxaSpecError:
        """Return the error for an owner whose token is not here."""
        platform = owner == THE_PLATFORM
        field = "component_access_token" if platform else f"authorizer_access_tokens[{owner!r}]"
        known = ", ".join(self.appids) or "none"
        return WxaSpecError(
            Text("connection_has_no_token", owner=Text("the_platform") if platform else owner, field=field),
            [
                Text("token_is_missing", field=field)
                if platform
                else Text("token_is_missing_beside_others", field=field, known=known)
            ],
            why=Text("no_other_token_will_do") if not platform else Text("platform_token_is_needed"),
            appid=owner or None,
        )

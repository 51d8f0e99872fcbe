"""Access tokens that WeChat hands out, and how they end.

A token that was set when the world was built (``component_access_token``, ``authorizer_access_token``) is fixed: it
works until it is replaced by hand or put into ``World.expired_tokens``. An issued one ends in one of two ways:

* its ``expires_in`` is over: 42001. The table of errcodes has 42006 for the platform's token as well, seen in client
  code only, while the clients that are in production refresh on 40001, 40014 and 42001. So 42001 is the default for
  both, and ``World.platform_expired_errcode`` sets the other.
* a newer one was issued and the overlap is over: 40001, "not latest". WeChat writes the overlap of five minutes down
  for ordinary accounts; that platforms and merchants have it too is a guess, so ``Platform.overlap_seconds`` sets it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_wxa.sandbox.errors import INVALID_CREDENTIAL, TOKEN_EXPIRED

KEPT = 8


@dataclass(kw_only=True, slots=True)
class Issued:
    """One issued access token.

    :param expires_at: epoch seconds by the world's clock.
    :param usable_until: epoch seconds, set when a newer one was issued.
    """

    value: str = field(repr=False)
    expires_at: float
    usable_until: float | None = None

    def errcode_at(self, now: float) -> int:
        """Return what a call with this token is answered: 0, 40001 or 42001, by what ended it first."""
        if self.usable_until is not None and self.usable_until <= min(now, self.expires_at):
            return INVALID_CREDENTIAL
        return TOKEN_EXPIRED if self.expires_at <= now else 0


def with_newer(issued: list[Issued], newer: Issued, *, now: float, overlap: float) -> list[Issued]:
    """Return an account's tokens after one more was issued.

    :param overlap: seconds that the earlier ones go on working.
    """
    for each in issued:
        if each.usable_until is None:
            each.usable_until = now + overlap
    # A few dead ones stay, so that the journal can still say whose they were.
    usable = [each for each in issued[:-KEPT] if not each.errcode_at(now)]
    return [*usable, *issued[-KEPT:], newer]


def errcode_of(issued: list[Issued], value: str, now: float) -> int:
    """Return what a token is answered; one that is not among the issued ones is a fixed one and works."""
    return next((each.errcode_at(now) for each in issued if each.value == value), 0)

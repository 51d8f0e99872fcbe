"""Platform credentials that notice when WeChat refuses a token of ours which should still live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.store.tables import THE_PLATFORM

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret

__all__ = ["EarlyDeath", "WatchedCredentials"]

_SURELY_ALIVE: Final = 60.0  # seconds left: no rounding and no slow network explains a refusal


@dataclass(frozen=True, slots=True)
class EarlyDeath:
    """A token that was refused before its time.

    :param appid: whose; ``""``: the platform's.
    :param age: seconds since it was fetched.
    :param seconds_left: of the life that WeChat promised.
    """

    appid: str
    age: float
    seconds_left: float


class WatchedCredentials(PlatformCredentials):
    """The same credentials, which remember every early death; takes what :class:`PlatformCredentials` takes."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.early_deaths: list[EarlyDeath] = []

    def renewed(self, call: Call, refused: Secret) -> Secret:
        """Return another token; the refused one is looked at first.

        Only a token that is still the store's counts: one that our own processes replaced meanwhile died rightly.
        """
        appid = THE_PLATFORM if call.endpoint.token is TokenKind.PLATFORM else call.appid or THE_PLATFORM
        seen = self.store.merchant(self.component_appid, appid)
        if seen is not None and seen.access_token == refused and seen.seconds_left > _SURELY_ALIVE:
            self.early_deaths.append(EarlyDeath(appid, seen.lifetime - seen.seconds_left, seen.seconds_left))
        return super().renewed(call, refused)

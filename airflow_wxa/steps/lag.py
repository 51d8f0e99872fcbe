"""Lag: a read soon after a write may come from a replica that still shows the state from before it.

Such a read is nobody else's work, so nothing is sent again for it and nobody is blamed: the step asks for pauses and
reads again. Only a state that is neither the one from before nor ours is somebody else's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from airflow_wxa.errors import WxaBusyError, WxaError, WxaTransportError
from airflow_wxa.steps.offline import Past
from airflow_wxa.steps.outcome import Pause, Recall, Step
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_wxa.api.call import Call, Reply

S = TypeVar("S")

#: For how long after an accepted write the state from before it is taken for lag.
LAG_SECONDS: Final = 600.0
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds, half a minute in all


@dataclass(frozen=True, slots=True)
class AcceptedWrites:
    """A run's writes that WeChat accepted within the last ten minutes, as the ledger knows them.

    :param before: endpoint → the states that were read before its writes, as the ledger holds them.
    :param submitted: auditid of each submission, the newest first → for how many seconds it may still be unseen.
    :param registered: hosts that were added to the platform list.
    :param withdrawn: auditids of sheets that the run withdrew, however long ago.
    :param noted_auditid: of the run's latest submission of this version, however long ago; ``""``: none.
    :param past: of this Mini Program's domains, if it was asked for.
    :param own_sheets: auditids that runs of the same DAG have submitted, if the run supersedes those and it was asked
        for; ``withdrawals``: of the Mini Program that are left then.
    """

    before: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    submitted: Mapping[str, float] = field(default_factory=dict)
    registered: frozenset[str] = frozenset()
    withdrawn: frozenset[str] = frozenset()
    noted_auditid: str = ""
    past: Past = field(default_factory=Past)
    own_sheets: frozenset[str] = frozenset()
    withdrawals: int = 0

    @property
    def auditid(self) -> str:
        """The newest submission's; ``""``: none."""
        return next(iter(self.submitted), "")

    def explains(self, endpoint: str, state: Any, part: str = "") -> bool:
        """Tell whether a state is one from before an accepted write.

        :param state: in the form in which a step notes it.
        :param part: name of a part, if the step noted several things.
        """
        befores = self.before.get(endpoint, ())
        if part:
            befores = [before[part] for before in befores if isinstance(before, dict) and part in before]
        return _as_json(state) in befores

    def with_write(self, endpoint: str, before: Any) -> AcceptedWrites:
        """Return the same, and one more write."""
        return replace(self, before={**self.before, endpoint: [*self.before.get(endpoint, ()), _as_json(before)]})


#: Also where nobody keeps a ledger.
NOTHING_ACCEPTED: Final = AcceptedWrites()


def recall(
    appid: str = "", fingerprint: str = "", *, past: bool = False, own_sheets: bool = False
) -> Step[AcceptedWrites]:
    """Ask the ledger, before the first look, for the writes of this run that WeChat accepted lately.

    Arguments are those of :class:`Recall`.
    """
    return cast("AcceptedWrites", (yield Recall(appid, fingerprint, past, own_sheets)))


def sent(call: Call, *unsure: type[WxaError]) -> Step[tuple[Reply | None, WxaError | None]]:
    """Send a write once, and return the reply; else the error behind which it may have been done: read, do not repeat.

    :param unsure: further classes of such errors; a lost answer and "busy" are always such.
    """
    try:
        return (yield call), None
    except WxaError as error:
        if not isinstance(error, (WxaTransportError, WxaBusyError, *unsure)):
            raise
        return None, error


def read_past_lag(read: Callable[[], Step[S]], lags: Callable[[S], bool]) -> Step[S]:
    """Read until the state does not lag, at most half a minute; return what was read last, which may lag still."""
    state = yield from read()
    for seconds in _PAUSES:
        if not lags(state):
            break
        yield Pause(seconds)
        state = yield from read()
    return state


@dataclass(frozen=True, slots=True)
class Watched(Generic[S]):
    """A state that a write brings about: the same rule for the look before it and for the reads behind it.

    :param endpoint: name of the one that writes it.
    :param appid: the Mini Program; ``None``: the platform itself.
    :param is_done: tells whether a state is as it is wanted.
    :param noted: the state as the ledger holds it.
    :param is_old: tells whether a state is one from before an accepted write, if the whole state does not tell it.
    """

    endpoint: str
    appid: str | None
    read: Callable[[], Step[S]]
    is_done: Callable[[S], bool]
    noted: Callable[[S], Any]
    is_old: Callable[[S, AcceptedWrites], bool] | None = None

    def lags(self, state: S, accepted: AcceptedWrites) -> bool:
        """Tell whether a state is not as it is wanted, and still the one from before an accepted write."""
        if self.is_done(state):
            return False
        return self.is_old(state, accepted) if self.is_old else accepted.explains(self.endpoint, self.noted(state))

    def past_lag(self, accepted: AcceptedWrites) -> Step[S]:
        """Read it past lag; return what was read last, which may lag still."""
        return (yield from read_past_lag(self.read, lambda state: self.lags(state, accepted)))

    def settled(self, accepted: AcceptedWrites, step: str = "") -> Step[S]:
        """Read it past lag.

        :param step: that wants it, if that does not write it.
        :raises WxaBusyError: it still is as it was before an accepted write.
        """
        state = yield from self.past_lag(accepted)
        if self.lags(state, accepted):
            raise self.late(state, step)
        return state

    def read_back(self, accepted: AcceptedWrites, lost: WxaError | None, otherwise: Callable[[S], WxaError]) -> Step[S]:
        """Read it behind a write until it is as it is wanted, past lag; an answer that was lost is judged by that.

        :param accepted: with the state from before the write, if WeChat took it.
        :param lost: the error behind which the write may have been done.
        :param otherwise: makes the error of a state that is neither as it is wanted nor from before the write.
        """
        state = yield from self.past_lag(accepted)
        if self.is_done(state):
            return state
        raise lost or (self.late(state) if self.lags(state, accepted) else otherwise(state))

    def late(self, state: S, step: str = "") -> WxaBusyError:
        """Return the error of a state that still is the one from before an accepted write."""
        return still_lagging(step or self.endpoint, self.endpoint, self.appid, self.noted(state) or "nothing")


def still_lagging(step: str, endpoint: str, appid: str | None, shown: object, *, missing: str = "") -> WxaBusyError:
    """Return the error for a read that still shows the state from before a write when half a minute is over.

    :param endpoint: which was written to.
    :param shown: the state that is still shown.
    :param missing: the values that should be shown by now.
    """
    return WxaBusyError(
        Text("wechat_still_lags", step=step, endpoint=endpoint, lag_seconds=f"{LAG_SECONDS / 60:g}"),
        errcode=0,
        values={"shown": shown, **({"missing": missing} if missing else {}), "read again for": f"{sum(_PAUSES):g} s"},
        endpoint=step,
        appid=appid,
    )


def _as_json(state: Any) -> Any:
    """Return a state as the ledger hands it back."""
    return json.loads(json.dumps(state))

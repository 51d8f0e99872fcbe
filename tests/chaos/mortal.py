"""A release in a process of its own that can be told when to die."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.client.delivery import Answer, Request
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.chaos.releasing import Plan, Recorded, carried
from tests.store.processes import fork_server

Moment = Literal["before", "after"]
NEVER: Final = -1


def die() -> None:
    """Die as by SIGKILL: nothing is cleaned up, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Mortal:
    """Counts exchanges over all clients of a process, and kills it at one of them.

    :param at: the exchange, from 0.
    :param strike: what happens there, once.
    """

    moment: Moment = "before"
    at: int = NEVER
    strike: Callable[[], object] = die
    asked: int = 0

    def passes(self, moment: Moment) -> None:
        if (self.moment, self.at) == (moment, self.asked):
            self.at = NEVER
            self.strike()
        self.asked += moment == "after"


class MortalClient(WxaClient):
    """A client that may die before an exchange, or after it, before anyone hears of the answer."""

    def __init__(self, url: str, recorder: Recorder, mortal: Mortal | None) -> None:
        super().__init__(Egress(url), FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN), recorder)
        send, counted = self._http.send, mortal or Mortal()

        def send_or_die(request: Request) -> Answer:
            counted.passes("before")
            answered = send(request)
            counted.passes("after")
            return answered

        self._http.send = send_or_die  # type: ignore[method-assign]


def recorded(url: str, store_url: str, mortal: Mortal | None = None, run_id: str = "manual__1") -> Recorded:
    """Return what tries the tasks of a run with the ledger on."""
    return Recorded(store_url, lambda recorder: MortalClient(url, recorder, mortal), run_id)


def release(url: str, store_url: str, moment: Moment, at: int) -> None:
    """Release as the DAG does, with the ledger on; ends in an error unless the version is released and verified."""
    carried(Plan(withdraw_foreign_audit=True), recorded(url, store_url, Mortal(moment, at)))


def in_a_process(work: Callable[..., object], *arguments: object) -> int:
    """Do some work in a fresh process, and return how that ended: 0, or minus the signal."""
    process = fork_server().Process(target=work, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode

"""A release in a process of its own that can be told when to die."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Literal

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.client.delivery import Answer, Request
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.chaos.releasing import Plan, Recorded, carried

Moment = Literal["before", "after"]


def die() -> None:
    """Die as by SIGKILL: nothing is cleaned up, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Mortal:
    """Counts exchanges over all clients of a process, and kills it at one of them.

    :param at: the exchange, from 0; -1: none.
    :param strike: what happens there, once.
    """

    moment: Moment
    at: int
    strike: Callable[[], object] = die
    asked: int = 0

    def passes(self, moment: Moment) -> None:
        """Go on, or be struck."""
        if (self.moment, self.at) == (moment, self.asked):
            self.at = -1
            self.strike()
        self.asked += moment == "after"


class MortalClient(WxaClient):
    """A client that may die before an exchange, or after it, before anyone hears of the answer."""

    def __init__(self, url: str, recorder: Recorder, mortal: Mortal) -> None:
        super().__init__(Egress(url), FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN), recorder)
        send = self._http.send

        def send_or_die(request: Request) -> Answer:
            mortal.passes("before")
            answered = send(request)
            mortal.passes("after")
            return answered

        self._http.send = send_or_die  # type: ignore[method-assign]


def release(url: str, store_url: str, moment: Moment, at: int) -> None:
    """Release as the DAG does, with the ledger on; ends in an error unless the version is released and verified."""
    mortal = Mortal(moment, at)
    plan = Plan(withdraw_foreign_audit=True)
    carried(plan, Recorded(store_url, lambda recorder: MortalClient(url, recorder, mortal)))


def ended(process: BaseProcess) -> int:
    """Let a process run to its end, and return how it ended: 0, or minus the signal."""
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode

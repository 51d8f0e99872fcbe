"""Every call of a release, every fault: released, or a stop that says why, and then a rerun that finishes the job."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.demo.airflow import free_port
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.client.delivery import Answer, Observer, Request
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import Fault, RunningSandbox, World
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.chaos.releasing import Memory, Plan, Task, answered_at_once, carried
from tests.chaos.witness import ONLINE, WORLDS, Witness, end_state

pytestmark = pytest.mark.chaos

PATIENCE: Final = 5.0  # seconds, for an answer that comes
NO_PATIENCE: Final = 0.05  # seconds, for one that never does
_NEVER: Final = 30.0
REFUSED: Final = "refused"

#: Name → what the sandbox acts out; ``refused`` needs nobody to act.
FAULTS: Final[dict[str, dict[str, Any]]] = {
    REFUSED: {},
    "reset before": {"kind": "drop_before"},
    "reset after": {"kind": "drop_after"},
    "timeout": {"kind": "slow", "seconds": _NEVER},
    "502 HTML": {"kind": "html_502"},
    "truncated": {"kind": "truncated"},
    "empty": {"kind": "empty"},
    "-1 before": {"kind": "errcode_before"},
    "-1 after": {"kind": "errcode_after"},
    "45009": {"kind": "errcode_before", "errcode": 45009},
    "40001": {"kind": "errcode_before", "errcode": 40001},
    "42001": {"kind": "errcode_before", "errcode": 42001},
    "slow": {"kind": "slow", "seconds": 0.02},
}


class Renewing(FixedTokens):
    """Tokens that WeChat gives anew when it refused them."""

    def __init__(self, world: World) -> None:
        super().__init__({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
        self._world = world

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        if refused:
            fresh = f"{refused[-1].reveal()}+"
            self._tokens[owner] = Secret(fresh)
            if owner:
                self._world.mini_program(owner).authorizer_access_token = fresh
            else:
                self._world.platforms[0].component_access_token = fresh
        return super().token(owner)


class FaultyClient(WxaClient):
    """A client whose chosen exchanges go wrong on a real socket; the others are answered without one, quickly.

    :param strikes: tells, once for each exchange, whether it goes wrong, by its endpoint.
    """

    def __init__(
        self, running: RunningSandbox, fault: str, strikes: Callable[[str], bool], observer: Observer | None = None
    ) -> None:
        tokens = Renewing(running.world)
        patience = NO_PATIENCE if fault == "timeout" else PATIENCE
        super().__init__(Egress(running.url, timeout=patience), tokens, observer, sleep=lambda _: None)
        send = self._http.send

        def send_or_fail(request: Request) -> Answer:
            path = urlsplit(request.url).path
            if not strikes(path.rpartition("/")[2]):
                return answered_at_once(running, request)
            if fault == REFUSED:
                nobody = f"http://127.0.0.1:{free_port()}"
                return send(replace(request, url=request.url.replace(running.url, nobody)))
            running.add_fault(Fault(path=path, **FAULTS[fault]))
            return send(request)

        self._http.send = send_or_fail  # type: ignore[method-assign]


PLAN: Final = Plan(withdraw_foreign_audit=True)


@pytest.fixture(params=WORLDS)
def wxa_world(request: pytest.FixtureRequest, wxa_world: World) -> World:
    wxa_world.loose = WORLDS[request.param]
    return wxa_world


class Bench:
    """Runs releases against one sandbox, each from the same beginning."""

    def __init__(self, running: RunningSandbox, witness: Witness) -> None:
        self.running = running
        self.witness = witness

    def run(self, fault: str = "", *, at: int = -1, endpoint: str = "", memory: Memory | None = None) -> list[str]:
        """Run one release, and return the endpoints it asked, in order.

        :param at: the exchange that goes wrong, from 0; -1: none by its number.
        :param endpoint: every exchange with this endpoint goes wrong; ``""``: none by its name.
        :param memory: of an earlier try of the same run.
        """
        numbers, known = itertools.count(), memory or Memory()

        def strikes(asked: str) -> bool:
            return next(numbers) == at or asked == endpoint

        def work(task: Task, try_number: int) -> object:
            with FaultyClient(self.running, fault, strikes, known) as client:
                return client.run(task.make())

        first = len(self.running.journal)
        carried(PLAN, work)
        return [entry.path.rpartition("/")[2] for entry in self.running.journal[first:]]

    def cell(self, fault: str, **where: Any) -> None:
        """Run one cell: a release in trouble, and after a stop one without."""
        self.running.reset()
        self.witness.forget()
        memory = Memory()
        try:
            self.run(fault, memory=memory, **where)
        except WxaError as stop:
            assert_explained(stop)
            assert set(self.witness.submitted) <= {PLAN.description}
            assert set(self.witness.published) <= {(PLAN.description, ONLINE)}
            self.running.faults.clear()
            self.run(memory=memory)
        self.witness.assert_released_once(self.running.world, PLAN.description)


def assert_explained(stop: WxaError) -> None:
    """Hold an error to its parts: what, why and the next step."""
    assert type(stop) is not WxaError
    assert all((stop.what, stop.why, stop.next_step))
    assert str(stop).count("\n") >= 3


@pytest.fixture
def bench(wxa_sandbox: RunningSandbox, witness: Witness) -> Bench:
    return Bench(wxa_sandbox, witness)


@pytest.fixture
def undisturbed(bench: Bench) -> list[str]:
    asked = bench.run()
    bench.witness.assert_released_once(bench.running.world, PLAN.description)
    return asked


def test_an_undisturbed_release_asks_every_endpoint_and_again_changes_nothing(
    bench: Bench, undisturbed: list[str]
) -> None:
    assert len(set(undisturbed)) == 13  # all that a release has, each of which is struck below
    before = end_state(bench.running.world)
    bench.run()
    assert end_state(bench.running.world) == before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_one_call_and_at_all_of_an_endpoint_doubles_nothing_and_a_rerun_finishes(
    bench: Bench, undisturbed: list[str], fault: str
) -> None:
    for at in range(len(undisturbed)):
        bench.cell(fault, at=at)
    for endpoint in set(undisturbed):
        bench.cell(fault, endpoint=endpoint)

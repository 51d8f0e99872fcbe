"""Every call of a release, every fault: released, or a stop that says why, and then a rerun that finishes the job."""

from typing import Final

import pytest

from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import RunningSandbox, World
from tests.chaos.faulty import FAULTS, FaultyClient, Trouble
from tests.chaos.releasing import Memory, Plan, Task, carried
from tests.chaos.witness import ONLINE, WORLDS, Witness, end_state

pytestmark = pytest.mark.chaos

PLAN: Final = Plan(withdraw_foreign_audit=True)
NO_TROUBLE: Final = "slow"  # named, but it strikes nowhere


@pytest.fixture(params=WORLDS)
def wxa_world(request: pytest.FixtureRequest, wxa_world: World) -> World:
    wxa_world.loose = WORLDS[request.param]
    return wxa_world


class Bench:
    """Runs releases against one sandbox, each from the same beginning."""

    def __init__(self, running: RunningSandbox, witness: Witness) -> None:
        self.running = running
        self.witness = witness

    def run(self, trouble: Trouble, memory: Memory | None = None) -> list[str]:
        """Run one release, and return the endpoints it asked, in order.

        :param memory: of an earlier try of the same run.
        """
        memory = memory or Memory()

        def work(task: Task, try_number: int) -> object:
            with FaultyClient(self.running, trouble, memory) as client:
                return client.run(task.make())

        first = len(self.running.journal)
        carried(PLAN, work)
        return [entry.path.rpartition("/")[2] for entry in self.running.journal[first:]]

    def cell(self, trouble: Trouble) -> None:
        """Run one cell: a release in trouble, and after a stop one without."""
        self.running.reset()
        self.witness.forget()
        memory = Memory()
        try:
            self.run(trouble, memory)
        except WxaError as stop:
            assert_explained(stop)
            assert set(self.witness.submitted) <= {PLAN.description}
            assert set(self.witness.published) <= {(PLAN.description, ONLINE)}
            self.running.faults.clear()
            self.run(Trouble(NO_TROUBLE), memory)
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
    asked = bench.run(Trouble(NO_TROUBLE))
    bench.witness.assert_released_once(bench.running.world, PLAN.description)
    return asked


def test_an_undisturbed_release_asks_every_endpoint_and_again_changes_nothing(
    bench: Bench, undisturbed: list[str]
) -> None:
    assert len(set(undisturbed)) == 13  # all that a release has, each of which is struck below
    before = end_state(bench.running.world)
    bench.run(Trouble(NO_TROUBLE))
    assert end_state(bench.running.world) == before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_one_call_and_at_all_of_an_endpoint_doubles_nothing_and_a_rerun_finishes(
    bench: Bench, undisturbed: list[str], fault: str
) -> None:
    for at in range(len(undisturbed)):
        bench.cell(Trouble(fault, at=at))
    for endpoint in set(undisturbed):
        bench.cell(Trouble(fault, endpoint=endpoint))

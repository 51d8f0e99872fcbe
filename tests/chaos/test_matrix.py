"""Every call of a release, every fault: released, or a stop that says why, and then a rerun that finishes the job."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import RunningSandbox, World
from airflow_wxa.sandbox.testing import APPID
from tests.chaos.faulty import FAULTS, FaultyClient, Trouble
from tests.chaos.releasing import Memory, Plan, Task, carried
from tests.chaos.witness import THE_TIME, WORLDS, Witness, end_state

pytestmark = pytest.mark.chaos

PLAN: Final = Plan(withdraw_foreign_audit=True)
ONLINE: Final = ("https://m.example.com",)
NO_TROUBLE: Final = "slow"  # named, but it strikes nowhere

#: What a whole release writes and reads; each is struck at every call, and lastingly.
ENDPOINTS: Final = (
    "setwebviewdomain",
    "modify_wxa_jump_domain",
    "getversioninfo",
    "get_latest_auditstatus",
    "undocodeaudit",
    "commit",
    "get_code_privacy_info",
    "queryquota",
    "submit_audit",
    "get_auditstatus",
    "release",
    "get_effective_webviewdomain",
    "get_effective_domain",
)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    """Return the name of the world."""
    name: str = request.param
    return name


@pytest.fixture
def wxa_world(world: str, wxa_world: World) -> World:
    wxa_world.loose = WORLDS[world]
    return wxa_world


class Matrix:
    """What became of each cell, by endpoint and fault, and in total by world."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[str, Counter[str]]] = {}
        self.totals: dict[str, Counter[str]] = {}

    def note(self, world: str, span: str, endpoint: str, fault: str, result: str) -> None:
        self.totals.setdefault(world, Counter())["released" if result == "released" else "stopped"] += 1
        self.cells.setdefault(f"{world} world, {fault}, {span}", {}).setdefault(endpoint, Counter())[result] += 1

    def lines(self) -> Iterator[str]:
        for fault, row in self.cells.items():
            yield f"\n{fault}"
            for endpoint, results in row.items():
                said = ", ".join(f"{count} {result}" for result, count in results.most_common())
                yield f"  {endpoint:<28} {said}"


@pytest.fixture(scope="module")
def matrix(say: Callable[[str], None]) -> Iterator[Matrix]:
    """Collect the cells of all tests, and print them at the end."""
    matrix = Matrix()
    yield matrix
    say("\n".join(matrix.lines()))
    for world, ended in matrix.totals.items():
        released, stopped = ended["released"], ended["stopped"]
        say(f"\n{world} world, {ended.total()} cells: {released} released, {stopped} stopped and released by the rerun")


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

    def begin(self) -> None:
        self.running.reset()
        self.witness.forget()

    def cell(self, trouble: Trouble) -> str:
        """Run one cell: a release in trouble, and after a stop one without. Return how the first ended."""
        self.begin()
        result, memory = "released", Memory()
        try:
            self.run(trouble, memory)
        except WxaError as stop:
            assert_explained(stop)
            result = f"stop({type(stop).__name__})"
            self.assert_nothing_wrong_is_online()
            self.running.faults.clear()
            self.run(Trouble(NO_TROUBLE), memory)
        self.assert_released_once()
        return result

    def assert_nothing_wrong_is_online(self) -> None:
        assert set(self.witness.submitted) <= {PLAN.description}
        assert set(self.witness.published) <= {(PLAN.description, ONLINE)}

    def assert_released_once(self) -> None:
        assert self.witness.submitted == [PLAN.description]
        assert self.witness.published == [(PLAN.description, ONLINE)]
        assert len(self.running.world.mini_program(APPID).withdrawals) == 1


def assert_explained(stop: WxaError) -> None:
    """Hold an error to its parts: what, why and the next step."""
    assert type(stop) is not WxaError
    assert stop.what
    assert stop.why
    assert stop.next_step
    assert str(stop).count("\n") >= 3


@pytest.fixture
def bench(wxa_sandbox: RunningSandbox, witness: Witness) -> Bench:
    wxa_sandbox.world.clock = lambda: THE_TIME
    return Bench(wxa_sandbox, witness)


@pytest.fixture
def undisturbed(bench: Bench) -> list[str]:
    """Return the endpoints that an undisturbed release asks, in order."""
    bench.begin()
    asked = bench.run(Trouble(NO_TROUBLE))
    bench.assert_released_once()
    return asked


def test_an_undisturbed_release_asks_every_endpoint_and_again_changes_nothing(
    bench: Bench, undisturbed: list[str]
) -> None:
    assert set(undisturbed) == set(ENDPOINTS)
    before = end_state(bench.running.world)
    bench.run(Trouble(NO_TROUBLE))
    assert end_state(bench.running.world) == before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_one_call_doubles_nothing_and_a_rerun_finishes(
    bench: Bench, undisturbed: list[str], matrix: Matrix, fault: str, world: str
) -> None:
    for at, endpoint in enumerate(undisturbed):
        matrix.note(world, "once", endpoint, fault, bench.cell(Trouble(fault, at=at)))


@pytest.mark.parametrize("fault", FAULTS)
def test_an_endpoint_that_stays_broken_doubles_nothing_and_a_rerun_finishes(
    bench: Bench, matrix: Matrix, fault: str, world: str
) -> None:
    for endpoint in ENDPOINTS:
        matrix.note(world, "lasting", endpoint, fault, bench.cell(Trouble(fault, endpoint=endpoint)))

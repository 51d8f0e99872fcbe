import pytest

from airflow_wxa.client import delivery
from airflow_wxa.sandbox import World
from airflow_wxa.steps import lag
from tests.airflow_session import airflow_database, release, release_dag, wxa_default  # noqa: F401  fixtures
from tests.chaos.witness import Witness, contested_world


@pytest.fixture
def wxa_world() -> World:
    return contested_world()


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    witness = Witness()
    witness.watch(monkeypatch)
    return witness


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own repeats, and looks at what may be shown late, follow at once."""
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    monkeypatch.setattr(lag, "_PAUSES", (0.0,) * len(lag._PAUSES))

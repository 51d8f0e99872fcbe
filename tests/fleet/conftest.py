"""Fleets that start from a world, in a store of the test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.sandbox import RunningSandbox, World
from airflow_wxa.sandbox.server import serve
from tests.airflow_session import airflow_database, wxa_default  # noqa: F401  fixtures
from tests.fleet.driving import Drive
from tests.fleet.fleets import Serves, fleet_world, manifest
from tests.fleet.walking import Fleet


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try, and read again what lags, as often as otherwise, without the waits between."""
    monkeypatch.setattr("airflow_wxa.fleet.shard.RETRY_SECONDS", (0.0,) * 3)
    monkeypatch.setattr("airflow_wxa.steps.lag._PAUSES", (0.0,) * 5)


@pytest.fixture
def serving(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serves]:
    """Return what serves a world, or one of so many Mini Programs, to ``wxa_default`` until the test ends."""
    with ExitStack() as stack:

        def start(world: World | int) -> RunningSandbox:
            wechat = stack.enter_context(serve(fleet_world(world) if isinstance(world, int) else world))
            monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", wechat.connection())
            monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", store_url)
            return wechat

        yield start


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'wxa.db'}"


@pytest.fixture
def drive(serving: Serves, store_url: str) -> Callable[..., Drive]:
    """Return what loads a release of all Mini Programs of a world, with changes of the manifest."""

    def start(world: World | int, *, shard_size: int = 200, **changes: Any) -> Drive:
        started = Drive.on(serving(world), store_url)
        started.load(manifest(list(started.tokens), **changes), shard_size)
        return started

    return start


@pytest.fixture
def fleet(airflow_database: None, serving: Serves) -> Callable[..., Fleet]:  # noqa: F811
    """Return what starts a fleet of so many Mini Programs that the DAG releases."""
    return lambda count, **world: Fleet(serving(fleet_world(count, **world)))

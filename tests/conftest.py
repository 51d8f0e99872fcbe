"""What every test shares: the sandbox's fixtures, and which tests wait until they are asked for."""

import os
import re
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

# They are imported, not found: a checkout may be installed as it was before it had an entry point.
from airflow_wxa.pytest_plugin import wxa_connection, wxa_sandbox, wxa_world  # noqa: F401
from tests.store.templates import from_migrations, stores_from_a_template  # noqa: F401  fixtures

# Each process of a run would compile the package and rewrite the tests anew, for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

#: Marker → why its tests are left out of a plain run; ``-ra`` prints it beside the way to run them.
LEFT_OUT: Final = {
    "real_airflow": "real Airflow, takes minutes",
    "benchmark": "measures, wants a quiet machine",
    "browser": "drives a browser",
    "distributed": "starts several workers and a database",
    "chaos": "kills processes for minutes",
    "site": "builds the documentation, needs the extra docs",
    "load": "thousands of Mini Programs, takes minutes",
}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Spread the whole fast suite over the cores; a part of it, and what is measured, runs in one process."""
    # One seed for all processes of a run: what they collect must be the same, also where a set gives the order.
    os.environ.setdefault("PYTHONHASHSEED", str(secrets.randbelow(2**32)))
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    # Two for each core: a third of the time a test waits for a process, a timer or a disk.
    return 2 * (os.cpu_count() or 1) if whole and not config.option.markexpr and not config.option.collectonly else 0


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: ciphertext is another one in each process, and all must collect the same."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Leave out what takes long or needs more than Python, unless ``-m`` names its marker."""
    asked_for = set(re.findall(r"\w+", config.getoption("markexpr", default="")))
    for marker, reason in LEFT_OUT.items():
        if marker in asked_for:
            continue
        skip = pytest.mark.skip(reason=f"{reason}: run pytest -m {marker}")
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def airflow(airflow_database: None) -> Iterator[Any]:
    """Build Airflow's own app, once for all rooms, and return a browser in front of it."""
    from tests.plugins.browser import Browser, app_with  # noqa: PLC0415  (its room has set Airflow's home by then)

    with app_with() as app:
        yield Browser(app)


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal() -> Iterator[None]:
    """Take the signals that a suite started in the background inherits as ignored; tests send them to themselves."""
    ours: dict[int, Any] = dict.fromkeys((signal.SIGHUP, signal.SIGTERM), signal.SIG_DFL)
    ours[signal.SIGINT] = signal.default_int_handler
    before = {each: signal.signal(each, handler) for each, handler in ours.items()}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)

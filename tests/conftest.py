"""What every test shares: the sandbox's fixtures, and which tests wait until they are asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["airflow_wxa.sandbox.testing"]

#: Marker → why its tests are left out of a plain run; ``-ra`` prints it beside the way to run them.
LEFT_OUT: Final = {
    "real_airflow": "real Airflow, takes minutes",
    "benchmark": "measures, wants a quiet machine",
    "browser": "drives a browser",
    "distributed": "starts several workers and a database",
    "chaos": "kills processes for minutes",
    "load": "thousands of Mini Programs, takes minutes",
}


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

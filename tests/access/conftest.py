from collections.abc import Iterator

import pytest

from airflow_wxa.sandbox import RunningSandbox, serve
from tests.access.platforms import Recipe, world_of
from tests.client.conftest import elsewhere  # noqa: F401  a fixture
from tests.store.databases import store_url  # noqa: F401  a fixture


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with serve(world_of(2)) as running:
        yield running


@pytest.fixture
def recipe(sandbox: RunningSandbox, store_url: str) -> Recipe:  # noqa: F811  the fixture above
    return Recipe(sandbox.url, store_url).imported()

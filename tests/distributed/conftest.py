"""One cluster for all tests: it takes a minute to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.sandbox import serve
from tests.distributed.cluster import running_cluster
from tests.distributed.merchants import world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.distributed.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with serve(world()) as sandbox, running_cluster(sandbox) as running:
        yield running

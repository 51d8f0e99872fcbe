"""One cluster for all tests: it takes a minute to start."""

from collections.abc import Iterator

import pytest

from airflow_wxa.sandbox import serve
from tests.distributed.cluster import Cluster, running_cluster
from tests.distributed.releases import world


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with serve(world()) as sandbox, running_cluster(sandbox) as running:
        yield running

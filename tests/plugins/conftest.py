import warnings

from tests.airflow_session import airflow_database, wxa_default  # noqa: F401  fixtures

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the deprecations in what Airflow imports are not ours
    import airflow.api_fastapi.app  # noqa: F401

from tests.plugins.acting import dags, page  # noqa: F401  fixtures
from tests.plugins.airflow_runs import airflow_run, url  # noqa: F401  fixtures
from tests.plugins.receiving import receiver, store  # noqa: F401  fixtures

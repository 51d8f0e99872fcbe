from tests.airflow_session import airflow_database, wxa_default  # noqa: F401  fixtures
from tests.plugins.airflow_runs import airflow_run  # noqa: F401  fixture
from tests.plugins.api_server import api_server  # noqa: F401  fixture
from tests.plugins.browser import airflow  # noqa: F401  fixture
from tests.plugins.receiving import receiver, store  # noqa: F401  fixtures

from tests.airflow_session import airflow_database  # noqa: F401  a fixture
from tests.plugins.api_server import api_server  # noqa: F401  fixture
from tests.plugins.receiving import receiver, store  # noqa: F401  fixtures

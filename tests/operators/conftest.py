from tests.airflow_session import airflow_database, wxa_default  # noqa: F401  fixtures
from tests.operators.accounts import account  # noqa: F401  a fixture

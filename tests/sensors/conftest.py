from tests.airflow_session import airflow_database, wxa_default  # noqa: F401  fixtures
from tests.triggers.waiting import account  # noqa: F401  (a fixture)

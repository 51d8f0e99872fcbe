from tests.airflow_session import airflow_database, release_dag, wxa_default  # noqa: F401  fixtures
from tests.dags.worlds import shop  # noqa: F401  a fixture

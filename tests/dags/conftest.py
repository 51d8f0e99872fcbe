from tests.airflow_session import airflow_database, release, release_dag, wxa_default  # noqa: F401  fixtures
from tests.dags.worlds import account, platform  # noqa: F401  fixtures

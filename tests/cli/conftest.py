from tests.airflow_session import airflow_database  # noqa: F401  Airflow's home is set before Airflow is imported
from tests.cli.healthy import command, set_up  # noqa: F401  fixtures
from tests.client.conftest import certificate, elsewhere  # noqa: F401  fixtures

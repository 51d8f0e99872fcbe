from tests.airflow_session import airflow_database  # noqa: F401  Airflow's home is set before Airflow is imported
from tests.plugins.browser import airflow  # noqa: F401  fixture

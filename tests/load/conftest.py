from tests.airflow_session import airflow_database  # noqa: F401  fixture

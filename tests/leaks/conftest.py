from tests.airflow_session import airflow_database  # noqa: F401  Airflow's home is set before Airflow is imported

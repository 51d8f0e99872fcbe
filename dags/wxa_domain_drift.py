"""Compare business domains as they are wanted, configured, registered and effective, once a day."""

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag

dag = domain_drift_dag(schedule="@daily")

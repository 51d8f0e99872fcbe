"""Roll one Mini Program back to an earlier version, with an approval."""

from airflow_wxa.dags.wxa_rollback import rollback_dag

dag = rollback_dag()

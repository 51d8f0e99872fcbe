"""Roll many Mini Programs back: those that a fleet's run released, or a list of them, with an approval."""

from airflow_wxa.dags.wxa_fleet_rollback import fleet_rollback_dag

dag = fleet_rollback_dag()

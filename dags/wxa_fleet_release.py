"""Release many Mini Programs: put this file into the DAGs folder.

``fleet_release_dag`` takes ``dag_id``, the arguments of ``DAG``, and ``fixed``: values that neither a run's params nor
a manifest can change::

    dag = fleet_release_dag(fixed={"approval": True, "approvers": ["lin"], "domain_action": "set"})
"""

from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag

dag = fleet_release_dag()

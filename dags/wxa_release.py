"""Release one Mini Program (小程序): business domains first, then code, audit and release.

What can be set::

    release_dag(
        "shop_release",  # dag_id
        fixed={"approval": True, "approvers": ["lin"], "wxa_conn_id": "wxa_prod"},  # not in the form, nobody changes it
        on_failure_callback=...,  # and whatever else DAG takes
    )
"""

from airflow_wxa.dags.wxa_release import release_dag

dag = release_dag()

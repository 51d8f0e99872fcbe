"""Change the platform's own list of business domains: the way out of 89020 and 89021, with an approval."""

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag

dag = platform_domains_dag()

"""Configure one Mini Program's business domains, and nothing else."""

from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag

dag = webview_domains_dag()

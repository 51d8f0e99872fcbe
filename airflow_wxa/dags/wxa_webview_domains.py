"""Configure a Mini Program's business domains (业务域名), and nothing else: the domain part of a release, with a form.

What is configured is effective only after the next release.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import DAG

from airflow_wxa.dags.webview_domain_gate import webview_domain_gate
from airflow_wxa.dags.wxa_release import platform_conn_id
from airflow_wxa.release.dag import param, release_params, rendered

if TYPE_CHECKING:
    from airflow.sdk import Context

_PARAMS: Final = (
    "appid",
    "domain_action",
    "webviewdomain",
    "on_platform_list_empty",
    "platform_domains",
    "on_individual",
    "wxa_conn_id",
    "platform_conn_id",
)


def webview_domains_dag(dag_id: str = "wxa_webview_domains", **dag_kwargs: Any) -> DAG:
    """Return the DAG that configures one Mini Program's business domains.

    :param dag_kwargs: what else ``DAG`` takes; ``default_args`` are added to those that are here.
    """
    default_args = {"retries": 2, "retry_delay": timedelta(minutes=1)} | dag_kwargs.pop("default_args", {})
    of_release = release_params()
    plain: dict[str, Any] = {
        "dag_display_name": "Configure a Mini Program's business domains",
        "is_paused_upon_creation": False,
        "catchup": False,
        "max_active_runs": 100,
        "tags": ["wechat", "domains"],
        "doc_md": __doc__,
        "params": {name: of_release[name] for name in _PARAMS},
    }
    schedule = dag_kwargs.pop("schedule", None)
    with DAG(dag_id, schedule=schedule, default_args=default_args, **plain | dag_kwargs) as dag:
        webview_domain_gate(
            appid=param("appid"),
            action=param("domain_action"),
            webviewdomain=param("webviewdomain"),
            platform_domains=param("platform_domains"),
            on_platform_list_empty=rendered(_on_platform_list_empty),
            on_individual=param("on_individual"),
            wxa_conn_id=param("wxa_conn_id"),
            platform_conn_id=rendered(platform_conn_id),
            group_id=None,
        )
    return dag


def _on_platform_list_empty(context: Context) -> str:
    """Return what 89020 leads to: only domains that are added or set are registered."""
    params = context["params"]
    return str(params["on_platform_list_empty"]) if params["domain_action"] in ("add", "set") else "stop"

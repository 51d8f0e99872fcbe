"""Configure a Mini Program's business domains (业务域名), and nothing else: the domain part of a release, with a form.

Configured domains are effective only after the next release.
"""

from functools import partial
from typing import Any, Final

from airflow.sdk import Context

from airflow_wxa.dags.webview_domain_gate import webview_domain_gate
from airflow_wxa.dags.wiring import dag_factory, platform_conn_id
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release import domain_problems, refuse
from airflow_wxa.release.dag import failing_at_once, form_of, param, rendered

_PARAMS: Final = (
    "appid",
    "domain_action",
    "webviewdomain",
    "on_platform_list_empty",
    "platform_domains",
    "on_individual",
    "domain_mode",
    "wxa_conn_id",
    "platform_conn_id",
)


@dag_factory(lambda: form_of(*_PARAMS), tag="domains")
def webview_domains_dag() -> None:
    """Build the DAG that configures one Mini Program's business domains."""
    own: dict[str, Any] = {
        "action": rendered(partial(_checked, "domain_action")),
        "on_platform_list_empty": rendered(partial(_checked, "on_platform_list_empty")),
        "on_lost_domains": "release",  # nothing is published here: what would be lost is said
        "platform_conn_id": rendered(platform_conn_id),
    }
    webview_domain_gate(**{name: param(name) for name in _PARAMS if name != "domain_action"} | own, group_id=None)


def _checked(name: str, context: Context) -> str:
    """Return a param, once all that are about domains fit together as those of a release must; no call is made."""
    params = context["params"]
    problems = domain_problems(params)
    if params["on_platform_list_empty"] == "register":
        problems += WxaHook(platform_conn_id(context)).token_problems(None)
    with failing_at_once():
        refuse(problems)
    return str(params[name])

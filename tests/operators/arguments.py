"""Twelve wrong arguments and six right ones, for type checkers: nothing here is run."""

from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaApproveReleaseOperator,
    WxaCommitOperator,
    WxaGrayReleaseOperator,
    WxaReleaseOperator,
    WxaSetWebviewDomainOperator,
    WxaSubmitAuditOperator,
)
from airflow_wxa.release.dag import param
from airflow_wxa.sensors import WxaAuditSensor

APPID = "wx0000000000000001"


def wrong(hook: WxaHook) -> None:
    WxaCommitOperator(task_id="a", appid=APPID, template_id=47)  # wrong: no user_version
    WxaCommitOperator(task_id="b", appid=APPID, template_id=47, user_version="1", user_descr="x")  # wrong: misspelt
    WxaCommitOperator(task_id="c", appid=APPID, template_id=47, user_version="1", ext_json=["a"])  # wrong: a list
    WxaSetWebviewDomainOperator(task_id="d", appid=APPID, action="ad")  # wrong: no such word
    WxaSubmitAuditOperator(task_id="e", appid=APPID, quota_reserve=[1])  # wrong: a list
    WxaReleaseOperator(task_id="f", appid=APPID, approval_task_id=param("approval"))  # wrong: not templated
    WxaReleaseOperator.partial(task_id="g", appid=APPID, webviewdomain=7)  # wrong: a number
    WxaAuditSensor(task_id="h", appid=APPID, auditid="460001", poke_intervall=60)  # wrong: misspelt
    WxaApproveReleaseOperator(task_id="i", appid=APPID, approvers=7)  # wrong: a number
    hook.commit(APPID, 47)  # wrong: no user_version
    hook.gray_release(APPID, 47, "1.4.0", gray_percentage="much")  # wrong: a text
    hook.configure_domains(APPID, "replace", ["https://m.example.com"])  # wrong: no such word


def right(hook: WxaHook) -> None:
    submit = WxaSubmitAuditOperator(task_id="a", appid="{{ params.appid }}", quota_reserve="{{ params.reserve }}")
    WxaReleaseOperator(task_id="b", appid=APPID, auditid=submit.output["auditid"], trigger_rule="none_failed")
    WxaSetWebviewDomainOperator(task_id="c", appid=param("appid"), action=param("domain_action"), retries=2)
    WxaCommitOperator(task_id="d", appid=APPID, template_id="47", user_version="1", ext_json={"ext": {"a": param("a")}})
    WxaGrayReleaseOperator.partial(task_id="e", gray_percentage=30, template_id=47).expand(appid=[APPID])
    hook.release(APPID, 47, "1.4.0", webviewdomain=["https://m.example.com"], auditid="460001")

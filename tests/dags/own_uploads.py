"""Two releases of code from a pipeline of one's own: from its draft, and from a trial version that it uploaded."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, BaseOperator, chain

from airflow_wxa.operators import (
    WxaAddToTemplateOperator,
    WxaApproveReleaseOperator,
    WxaCommitOperator,
    WxaReleaseOperator,
    WxaSetWebviewDomainOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.sensors import WxaAuditSensor, WxaPrivacyScanSensor

APPID = "wx0000000000000001"
DOMAINS = ["https://m.example.com"]  # a release keeps only what the platform's list covers


def release(version: dict[str, Any], *uploading: BaseOperator) -> None:
    """Release a version whose trial version stands behind these tasks."""
    online = {**version, "webviewdomain": DOMAINS}
    submit = WxaSubmitAuditOperator(task_id="submit_audit", **version)
    auditid = submit.output["auditid"]
    chain(
        WxaSetWebviewDomainOperator(task_id="configure_domains", appid=APPID, action="add", webviewdomain=DOMAINS),
        *uploading,
        WxaPrivacyScanSensor(task_id="wait_for_privacy_scan", appid=APPID),
        submit,
        WxaAuditSensor(task_id="wait_for_audit", appid=APPID, auditid=auditid),
        WxaApproveReleaseOperator(task_id="approve_release", auditid=auditid, **online),
        WxaReleaseOperator(task_id="release", auditid=auditid, approval_task_id="approve_release", **online),
        WxaVerifyReleaseOperator(task_id="verify_release", **online),
    )


with DAG("release_draft", schedule=None) as release_draft:
    add = WxaAddToTemplateOperator(task_id="add_to_template", user_version="1.4.0", user_desc="checkout, build 812")
    code = {"appid": APPID, "template_id": add.output["template_id"], "user_version": "1.4.0"}
    release(code, add, WxaCommitOperator(task_id="commit_code", user_desc="checkout", **code))

with DAG("release_adopted_trial", schedule=None) as release_adopted_trial:
    release({"appid": APPID, "adopt_trial": {"user_version": "1.4.0", "user_desc": "checkout, build 812"}})

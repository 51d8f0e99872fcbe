"""Two releases of code from a pipeline of one's own: from its draft, and from a trial version that it uploaded."""

from __future__ import annotations

from airflow.sdk import DAG

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

with DAG("release_draft", schedule=None) as release_draft:
    domains = WxaSetWebviewDomainOperator(task_id="configure_domains", appid=APPID, action="add", webviewdomain=DOMAINS)
    add = WxaAddToTemplateOperator(task_id="add_to_template", user_version="1.4.0", user_desc="checkout, build 812")
    code = {"appid": APPID, "template_id": add.output["template_id"], "user_version": "1.4.0"}
    commit = WxaCommitOperator(task_id="commit_code", user_desc="checkout", **code)
    scan = WxaPrivacyScanSensor(task_id="wait_for_privacy_scan", appid=APPID)
    submit = WxaSubmitAuditOperator(task_id="submit_audit", **code)
    auditid = submit.output["auditid"]
    audit = WxaAuditSensor(task_id="wait_for_audit", appid=APPID, auditid=auditid)
    online = {**code, "webviewdomain": DOMAINS}
    approve = WxaApproveReleaseOperator(task_id="approve_release", auditid=auditid, **online)
    release = WxaReleaseOperator(task_id="release", auditid=auditid, approval_task_id="approve_release", **online)
    verify = WxaVerifyReleaseOperator(task_id="verify_release", **online)
    domains >> add >> commit >> scan >> submit >> audit >> approve >> release >> verify

TRIAL = {"appid": APPID, "adopt_trial": {"user_version": "1.4.0", "user_desc": "checkout, build 812"}}

with DAG("release_adopted_trial", schedule=None) as release_adopted_trial:
    domains = WxaSetWebviewDomainOperator(task_id="configure_domains", appid=APPID, action="add", webviewdomain=DOMAINS)
    scan = WxaPrivacyScanSensor(task_id="wait_for_privacy_scan", appid=APPID)
    submit = WxaSubmitAuditOperator(task_id="submit_audit", **TRIAL)
    auditid = submit.output["auditid"]
    audit = WxaAuditSensor(task_id="wait_for_audit", appid=APPID, auditid=auditid)
    online = {**TRIAL, "webviewdomain": DOMAINS}
    approve = WxaApproveReleaseOperator(task_id="approve_release", auditid=auditid, **online)
    release = WxaReleaseOperator(task_id="release", auditid=auditid, approval_task_id="approve_release", **online)
    verify = WxaVerifyReleaseOperator(task_id="verify_release", **online)
    domains >> scan >> submit >> audit >> approve >> release >> verify

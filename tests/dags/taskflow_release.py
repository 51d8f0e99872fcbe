"""A release of one Mini Program, in TaskFlow."""

from __future__ import annotations

from typing import Any

from airflow.sdk import PokeReturnValue, dag, task
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sensors import WxaPrivacyScanSensor

VERSION = {"appid": "wx0000000000000001", "template_id": 47, "user_version": "1.4.0"}
DOMAINS = ["https://m.example.com"]


@dag(schedule=None)
def taskflow_release() -> None:
    """Domains first, then code, audit, release and proof."""

    @task(multiple_outputs=True)
    def configure_domains() -> dict[str, Any]:
        return WxaHook().configure_domains(VERSION["appid"], "add", DOMAINS)

    @task(multiple_outputs=True)
    def commit() -> dict[str, Any]:
        return WxaHook().commit(**VERSION, user_desc="spring sale")

    @task(multiple_outputs=True)
    def submit_audit() -> dict[str, Any]:
        return WxaHook().submit_audit(**VERSION, version_desc="demo 1/1")

    @task.sensor(poke_interval=60, timeout=11 * 86400, mode="reschedule")
    def wait_for_audit(submitted: dict[str, Any]) -> PokeReturnValue:
        status = WxaHook().audit_status(VERSION["appid"], submitted["auditid"])
        if status["outcome"] in {"rejected", "withdrawn"}:
            raise AirflowFailException(f"the review ended: {status['outcome']}: {status['reason']}")
        return PokeReturnValue(is_done=status["outcome"] == "approved", xcom_value=status)

    @task(multiple_outputs=True)
    def release(submitted: dict[str, Any]) -> dict[str, Any]:
        return WxaHook().release(**VERSION, webviewdomain=DOMAINS, auditid=submitted["auditid"])

    @task(multiple_outputs=True)
    def verify_release(released: dict[str, Any]) -> dict[str, Any]:
        return WxaHook().verify_release(**VERSION, webviewdomain=DOMAINS, released_at=released["release_time"])

    scanned = WxaPrivacyScanSensor(task_id="wait_for_privacy_scan", appid=VERSION["appid"])
    submitted = submit_audit()
    released = release(submitted)
    configure_domains() >> commit() >> scanned >> submitted >> wait_for_audit(submitted) >> released
    verify_release(released)


taskflow_release()

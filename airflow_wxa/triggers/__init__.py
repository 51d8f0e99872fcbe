"""Triggers: wait without blocking until a look on the worker is worth it."""

from airflow_wxa.triggers.audit_change import WxaAuditChangeTrigger
from airflow_wxa.triggers.polling import WxaAuditTrigger, WxaPrivacyScanTrigger

__all__ = ["WxaAuditChangeTrigger", "WxaAuditTrigger", "WxaPrivacyScanTrigger"]

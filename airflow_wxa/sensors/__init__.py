"""Sensors: read-only waits, deferrable by default."""

from airflow_wxa.sensors.polling import WxaAuditSensor, WxaPrivacyScanSensor

__all__ = ["WxaAuditSensor", "WxaPrivacyScanSensor"]

"""Notifications: what people wait for, said by whatever notifier a company has already."""

from airflow_wxa.notifications.notifier import WxaNotifier

__all__ = ["WxaNotifier"]

"""Notifications: the events that people wait for, said by the notifier that a company has already."""

from airflow_wxa.notifications.notifier import WxaNotifier

__all__ = ["WxaNotifier"]

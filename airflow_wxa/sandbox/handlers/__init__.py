"""Parse a body, ask or change the state, answer as WeChat does: one function an endpoint."""

from airflow_wxa.sandbox.gate import ENDPOINTS
from airflow_wxa.sandbox.handlers import accounts, audit, code, domains

__all__ = ["ENDPOINTS", "accounts", "audit", "code", "domains"]

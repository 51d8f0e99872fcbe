"""WeChat as data: no Airflow, no HTTP client, no clock.

The page that describes a call is its endpoint's ``source``, in its file below ``schemas``.
"""

from airflow_wxa.api.call import Call, Reply, read_reply
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, TokenKind
from airflow_wxa.api.errcodes import Errcode, errcodes, error_for
from airflow_wxa.api.redaction import Secret

__all__ = [
    "CATALOGUE",
    "Call",
    "Endpoint",
    "Errcode",
    "Reply",
    "Secret",
    "TokenKind",
    "errcodes",
    "error_for",
    "read_reply",
]

"""Sources of tokens: fixed, a company token server, or the platform's own credentials."""

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.access.platform import PlatformCredentials
from airflow_wxa.access.token_server import TokenServer

__all__ = ["FixedTokens", "PlatformCredentials", "TokenServer"]

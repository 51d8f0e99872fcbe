"""Where tokens come from."""

from airflow_wxa.access.fixed import FixedTokens

__all__ = ["FixedTokens"]

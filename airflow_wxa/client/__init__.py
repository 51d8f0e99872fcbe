"""The only rooms that do HTTP: :class:`WxaClient` on requests, :class:`AsyncWxaClient` on aiohttp."""

from airflow_wxa.client.asynchronous import AsyncWxaClient
from airflow_wxa.client.delivery import Observer, TokenSource
from airflow_wxa.client.sync import WxaClient
from airflow_wxa.client.wire import Egress, api_host

__all__ = ["AsyncWxaClient", "Egress", "Observer", "TokenSource", "WxaClient", "api_host"]

"""The plugin that Airflow finds by its entry point.

Every task's process loads the plugins, and needs none of what is mounted here: so the app is imported and built by
the first request, in the API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

__all__ = ["PUSH_PREFIX", "PushReceiver", "WxaPlugin"]

PUSH_PREFIX = "/wxa/push"


class PushReceiver:
    """The push receiver as an ASGI app; it is public by design, so it is an app of its own that does nothing else."""

    def __init__(self) -> None:
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self._app is None:
            from airflow_wxa.plugins.receiver import create_receiver  # noqa: PLC0415  (see the module's docstring)

            self._app = create_receiver()
        await self._app(scope, receive, send)


class WxaPlugin(AirflowPlugin):
    """Mounts the push receiver."""

    name = "wxa"
    fastapi_apps: list[dict[str, Any]] = [  # noqa: RUF012  (Airflow declares it so)
        {"app": PushReceiver(), "url_prefix": PUSH_PREFIX, "name": "WeChat push receiver"},
    ]

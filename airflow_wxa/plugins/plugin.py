"""The plugin that Airflow finds by its entry point.

Every task's process loads the plugins, and needs none of these apps: so an app is imported and built by its first
request, in the API server.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

from airflow_wxa.trial_link import BOARD_PREFIX, PUSH_PREFIX, TRIAL_PREFIX, api_root_path

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

#: As a browser asks for it: the UI puts an address into the page as it is.
_BOARD = f"{api_root_path()}{BOARD_PREFIX}"
_NAME = "小程序 Mini Programs"


class BuiltOnDemand:
    """An ASGI app that its first request builds.

    :param factory: the function that builds it, as ``module:name``.
    """

    def __init__(self, factory: str) -> None:
        self.factory = factory
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self._app is None:
            self._app = resolve_name(self.factory)()
        # The app that this one is mounted in is Airflow's: the board asks its API.
        await self._app({**scope, "wxa.airflow": scope.get("app")}, receive, send)


class WxaPlugin(AirflowPlugin):
    """Mounts the push receiver, the QR codes and the page for release managers."""

    name = "wxa"
    fastapi_apps: list[dict[str, Any]] = [  # noqa: RUF012  (Airflow declares it so)
        {"app": BuiltOnDemand(factory), "url_prefix": prefix, "name": name}
        for factory, prefix, name in (
            # The push receiver is public by design, so it is an app of its own that does nothing else.
            ("airflow_wxa.plugins.receiver:create_receiver", PUSH_PREFIX, "WeChat push receiver"),
            ("airflow_wxa.plugins.trial:create_trial_qrcodes", TRIAL_PREFIX, "WeChat trial QR codes"),
            ("airflow_wxa.plugins.board.app:create_board", BOARD_PREFIX, "Mini Programs"),
        )
    ]
    external_views: list[dict[str, Any]] = [  # noqa: RUF012  (as above)
        {
            "name": _NAME,
            "href": f"{_BOARD}/",
            "url_route": "wxa-board",
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"{_BOARD}/static/board.svg",
            "icon_dark_mode": f"{_BOARD}/static/board_dark.svg",
        },
        {
            "name": _NAME,
            "href": f"{_BOARD}/?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "url_route": "wxa-run",
            "destination": "dag_run",
        },
    ]

"""The plugin that Airflow finds by its entry point.

Every task's process loads the plugins, and needs none of these apps: so an app is imported and built by its first
request, in the API server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from airflow_wxa.trial_link import BOARD_PREFIX, PUSH_PREFIX, TRIAL_PREFIX, api_root_path

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

#: As a browser asks for it: the UI puts an address into the page as it is.
_BOARD = f"{api_root_path()}{BOARD_PREFIX}"


class _BuiltOnDemand:
    """An ASGI app that its first request builds.

    :cvar factory: module and name of the function that builds it.
    """

    factory: ClassVar[tuple[str, str]]

    def __init__(self) -> None:
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self._app is None:
            module, name = self.factory
            self._app = getattr(import_module(module), name)()
        # The app that this one is mounted in is Airflow's: the board asks its API.
        await self._app({**scope, "wxa.airflow": scope.get("app")}, receive, send)


class PushReceiver(_BuiltOnDemand):
    """The push receiver; it is public by design, so it is an app of its own that does nothing else."""

    factory = ("airflow_wxa.plugins.receiver", "create_receiver")


class TrialQrcodes(_BuiltOnDemand):
    """Trial versions' QR codes, for users who may see the release's runs."""

    factory = ("airflow_wxa.plugins.trial", "create_trial_qrcodes")


class Board(_BuiltOnDemand):
    """The page for release managers."""

    factory = ("airflow_wxa.plugins.board.app", "create_board")


class WxaPlugin(AirflowPlugin):
    """Mounts the push receiver and the QR codes."""

    name = "wxa"
    fastapi_apps: list[dict[str, Any]] = [  # noqa: RUF012  (Airflow declares it so)
        {"app": PushReceiver(), "url_prefix": PUSH_PREFIX, "name": "WeChat push receiver"},
        {"app": TrialQrcodes(), "url_prefix": TRIAL_PREFIX, "name": "WeChat trial QR codes"},
        {"app": Board(), "url_prefix": BOARD_PREFIX, "name": "Mini Programs"},
    ]
    external_views: list[dict[str, Any]] = [  # noqa: RUF012  (as above)
        {
            "name": "小程序 Mini Programs",
            "href": f"{_BOARD}/",
            "url_route": "wxa-board",
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"{_BOARD}/static/board.svg",
            "icon_dark_mode": f"{_BOARD}/static/board_dark.svg",
        },
        {
            "name": "小程序 Mini Programs",
            "href": f"{_BOARD}/?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "url_route": "wxa-run",
            "destination": "dag_run",
        },
    ]

"""Trial versions' QR codes, so that whoever approves a release can look at it first.

``GET /{wxa_conn_id}/{appid}`` asks WeChat for the picture each time; it changes nothing. Whoever may see runs of
``wxa_release`` may see it; to open the trial version takes a tester or admin of the Mini Program.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse

from airflow_wxa.api.appid import APPID
from airflow_wxa.api.code import get_qrcode
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.wxa import WxaHook

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["create_trial_qrcodes"]

_DAG_ID: Final = "wxa_release"
_CONN_ID: Final = re.compile(r"[\w.-]{1,200}", re.ASCII)
_PNG: Final = b"\x89PNG"
# A picture of now is no picture of tomorrow; and what WeChat sends is shown as what we say it is, as nothing else.
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


def create_trial_qrcodes() -> FastAPI:
    """Return the app; each of its routes asks for a login."""
    app = FastAPI(title="WeChat trial QR codes", docs_url=None, redoc_url=None, openapi_url=None)
    may_read_runs = Depends(requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id=_DAG_ID))

    @app.get("/{wxa_conn_id}/{appid}", dependencies=[may_read_runs])
    def qrcode(wxa_conn_id: str, appid: str) -> Response:
        return _qrcode(wxa_conn_id, appid)

    return app


def _qrcode(wxa_conn_id: str, appid: str) -> Response:
    if not APPID.fullmatch(appid):
        return _refused(404, f"{appid} is no appid: wx and 16 hex digits")
    hook = WxaHook(wxa_conn_id)
    try:
        if not _CONN_ID.fullmatch(wxa_conn_id) or hook.get_connection(wxa_conn_id).conn_type != hook.conn_type:
            return _refused(404, f"there is no Connection {wxa_conn_id} of type {hook.conn_type}")
        with hook.get_conn() as client:
            image = client.send(get_qrcode(appid)).image
    except AirflowNotFoundException:
        return _refused(404, f"there is no Connection {wxa_conn_id} of type {hook.conn_type}")
    except WxaError as error:
        return _refused(502, str(error))
    media_type = "image/png" if image.startswith(_PNG) else "image/jpeg"
    return Response(image, media_type=media_type, headers=dict(_HEADERS))


def _refused(status: int, text: str) -> Response:
    """Return a text of ours, in which WeChat's may stand, as a page in which nothing of it acts."""
    return HTMLResponse(f"<!doctype html><pre>{escape(text)}</pre>", status, headers=dict(_HEADERS))

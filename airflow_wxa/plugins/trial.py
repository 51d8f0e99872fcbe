"""Trial versions' QR codes, so that a release can be looked at before it is approved.

``GET /{appid}?dag_id=…&run_id=…&page=…`` asks WeChat for the picture each time; it changes nothing. Users who may see
runs of that DAG may see the pictures of the Mini Programs that the ledger knows from that run, by the Connection that
the run worked with; to open the trial version takes a tester or admin of the Mini Program.

The API server is a guest's: few pictures are fetched at once, each by one attempt with a short deadline, and no thread
that serves Airflow's pages waits for WeChat.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.dag import DagModel
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Header, Query, Response
from fastapi.responses import HTMLResponse

from airflow_wxa.api.code import get_qrcode
from airflow_wxa.api.values import APPID
from airflow_wxa.client import AsyncWxaClient
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError, readable
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.plugins.board.languages import chosen
from airflow_wxa.plugins.connections import TeamHook
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

T = TypeVar("T")
Page = Annotated[str, Query(max_length=1024)]

_AT_ONCE: Final = 4
_SECONDS: Final = 5.0  # for all: waiting for a turn, Connection, token, picture
_PNG: Final = b"\x89PNG"
# A picture of now is no picture of tomorrow; and what WeChat sends is shown as what we say it is, as nothing else.
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


class WeChatReads:
    """Reads of WeChat for pages: few at once, each by one attempt with a short deadline."""

    def __init__(self) -> None:
        self._turns, self._threads = asyncio.Semaphore(_AT_ONCE), CapacityLimiter(_AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and bound it.

        :raises TimeoutError: it took too long.
        """
        async with asyncio.timeout(_SECONDS), self._turns:
            yield

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Return what blocking work returns, which a deadline abandons."""
        return await to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)

    @asynccontextmanager
    async def client(self, asks: str, dag_id: str, wxa_conn_id: str) -> AsyncIterator[AsyncWxaClient]:
        """Give a client with the Connection that the DAG's runs would use.

        :param asks: name of the endpoint, for errors.
        """
        async with await self.in_thread(partial(_client, asks, wxa_conn_id, dag_id)) as client:
            yield client


def create_trial_qrcodes() -> FastAPI:
    """Return the app; each of its routes asks for a login."""
    app = FastAPI(title="WeChat trial QR codes", docs_url=None, redoc_url=None, openapi_url=None)
    reads = WeChatReads()

    async def answer(appid: str, dag_id: str, run_id: str, page: str) -> Response:
        if not APPID.fullmatch(appid):
            raise WxaSpecError(Text("picture_is_of_no_appid", appid=appid), [])
        # Before the Connection and any token: a made-up appid must not reach the secrets backend, nor leave a row.
        wxa_conn_id = await reads.in_thread(lambda: open_ledger().conn_id(dag_id, run_id, appid))
        if wxa_conn_id is None:
            raise WxaSpecError(Text("picture_is_of_no_run", run_id=run_id, dag_id=dag_id, appid=appid), [])
        async with reads.client("get_qrcode", dag_id, wxa_conn_id) as client:
            image = (await client.send(get_qrcode(appid, page))).image
        media_type = "image/png" if image.startswith(_PNG) else "image/jpeg"
        return Response(image, media_type=media_type, headers=dict(_HEADERS))

    @app.get("/{appid}", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))])
    async def qrcode(
        appid: str, dag_id: str, run_id: str, page: Page = "", accept_language: Annotated[str, Header()] = ""
    ) -> Response:
        language = chosen(None, None, accept_language).code
        try:
            async with reads.turn():
                return await answer(appid, dag_id, run_id, page)
        except TimeoutError:
            return _refused(504, WxaTransportError(Text("picture_takes_too_long", seconds=f"{_SECONDS:g}")), language)
        except WxaError as error:
            return _refused(404 if isinstance(error, WxaSpecError) else 502, error, language)

    return app


def _client(asks: str, wxa_conn_id: str, dag_id: str) -> AsyncWxaClient:
    team = DagModel.get_dag_id_to_team_name_mapping([dag_id]).get(dag_id) or ""
    read = None
    with suppress(AirflowException, AirflowRuntimeError):
        read = TeamHook(wxa_conn_id, team).read_own()
    if read is None:
        problem = Text("no_connection_of_type", wxa_conn_id=wxa_conn_id, conn_type=TeamHook.conn_type)
        raise WxaSpecError(Text("page_reads_nothing", asks=asks), [problem])
    return AsyncWxaClient(read.egress, read.tokens, sleep=partial(_no_second_attempt, asks))


async def _no_second_attempt(asks: str, _seconds: float) -> None:
    raise WxaTransportError(Text("page_answer_is_unusable", asks=asks))


def _refused(status: int, error: WxaError, language: str) -> Response:
    """Return an error, in whose text WeChat's may stand, as a page in which nothing of it acts."""
    text = readable("\n  ".join(error.lines(language)))
    return HTMLResponse(f"<!doctype html><pre>{escape(text)}</pre>", status, headers=dict(_HEADERS))

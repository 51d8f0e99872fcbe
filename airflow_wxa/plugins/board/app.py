"""The board's app, mounted in Airflow's API server: pages that show the store, and acts by Airflow's own API.

Everything is read from the store, never from WeChat. A person sees the Mini Programs whose DAG's runs they may see.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002  (FastAPI reads the annotations)
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Request, Response

from airflow_wxa.plugins.board.acting import ActingPages
from airflow_wxa.plugins.board.languages import chosen
from airflow_wxa.plugins.board.pages import HEADERS
from airflow_wxa.plugins.board.reader import Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

# Threads of our own: whoever loads this page must not take those that serve Airflow's pages. Pages are made one at a
# time, since Python runs one thread at a time: with more of them, Airflow's would wait for each in turn.
_THREADS: Final = 4
# A page's turn lasts at least so long: those that were kept are quick, and who asks for them again and again would take
# the server's loop from Airflow's pages.
_TURN_SECONDS: Final = 0.02
_LANGUAGE_COOKIE: Final = "wxa_language"
_STATIC: Final[Mapping[str, str]] = {
    "board.css": "text/css",
    "board.js": "text/javascript",
    "board.svg": "image/svg+xml",
    "board_dark.svg": "image/svg+xml",
}


def create_board() -> FastAPI:
    """Return the app; each of its routes but the style sheet's asks for a login."""
    app = FastAPI(title="Mini Programs", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_with_auth_manager)
    one, pages = CapacityLimiter(1), ActingPages(CapacityLimiter(_THREADS))
    routes = {
        "/": pages.mini_programs,
        "/mini-programs.csv": pages.mini_programs_csv,
        "/mini-program/{appid}": pages.mini_program,
        "/mini-program/{appid}/screenshot/{auditid}/{number}": pages.screenshot,
        "/releases": pages.releases,
        "/overview": pages.overview,
        "/fleets": pages.fleets,
        "/fleet": pages.fleet,
        "/errcodes": pages.errcodes,
        "/errcode/{code}": pages.errcode,
        "/verification-file": pages.verification_file,
        "/act/{act}": pages.confirmation,
    }

    def answered(page: Callable[[Reader], Response], reader: Reader) -> Response:
        ends = time.monotonic() + _TURN_SECONDS
        response = pages.answered(page, reader)
        time.sleep(max(0.0, ends - time.monotonic()))
        return response

    async def in_thread(page: Callable[[Reader], Response], reader: Reader) -> Response:
        return await to_thread.run_sync(answered, page, reader, limiter=one)

    for path, page in routes.items():
        app.add_api_route(path, _route(partial(in_thread, page)))
    app.add_api_route("/act/{act}", _route(pages.done), methods=["POST"])
    app.add_api_route("/release", _route(pages.form), methods=["GET", "POST"])
    app.add_api_route("/static/{name}", _static)
    return app


def _route(page: Callable[[Reader], Awaitable[Response]]) -> Callable[..., Any]:
    """Return a page's route, which remembers the language that was switched to."""

    async def route(request: Request, user: GetUserDep) -> Response:
        asked, kept = request.query_params.get("lang"), request.cookies.get(_LANGUAGE_COOKIE)
        language = chosen(asked, kept, request.headers.get("accept-language", ""))
        response = await page(Reader(user, language, request.scope.get("root_path", ""), request))
        if asked:
            response.set_cookie(_LANGUAGE_COOKIE, chosen(asked, None, "").code, samesite="lax")
        return response

    return route


async def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    content = resources.files(__package__).joinpath("static", name).read_text("utf-8")
    return Response(content, media_type=_STATIC[name], headers=dict(HEADERS) | {"Cache-Control": "max-age=300"})


@asynccontextmanager
async def _with_auth_manager(app: FastAPI) -> AsyncIterator[None]:
    app.state.auth_manager = get_auth_manager()  # Airflow's own dependencies look for it in the app that serves
    yield

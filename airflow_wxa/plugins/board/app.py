"""The board's app, mounted in Airflow's API server: pages that show the store, and acts by Airflow's own API.

Everything is read from the store, never from WeChat. A person sees the Mini Programs whose DAG's runs they may see.
"""

from __future__ import annotations

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

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    from airflow_wxa.plugins.board.languages import Language

# Threads of our own: whoever loads this page must not take those that serve Airflow's pages. Pages are made one at a
# time, since Python runs one thread at a time: with more of them, Airflow's would wait for each in turn.
_THREADS: Final = 4
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
    for path, page in routes.items():
        app.add_api_route(path, _served(partial(pages.answered, page), one))
    app.add_api_route("/act/{act}", _acting(pages.done), methods=["POST"])
    app.add_api_route("/release", _acting(pages.form), methods=["GET", "POST"])
    app.add_api_route("/static/{name}", _static)
    return app


def _acting(page: Callable[[Reader], Awaitable[Response]]) -> Callable[..., Any]:
    """Return a route that waits for Airflow's API or for WeChat."""

    async def act(request: Request, user: GetUserDep) -> Response:
        return _remembered(request, await page(_reader(request, user)))

    return act


def _served(page: Callable[[Reader], Response], one: CapacityLimiter) -> Callable[..., Any]:
    """Return a route that makes a page in a thread."""

    async def serve(request: Request, user: GetUserDep) -> Response:
        return _remembered(request, await to_thread.run_sync(page, _reader(request, user), limiter=one))

    return serve


def _remembered(request: Request, response: Response) -> Response:
    """Remember the language that was switched to."""
    if asked := request.query_params.get("lang"):
        response.set_cookie(_LANGUAGE_COOKIE, chosen(asked, None, "").code, samesite="lax")
    return response


def _reader(request: Request, user: BaseUser) -> Reader:
    return Reader(user, _language(request), request.scope.get("root_path", ""), request)


async def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    content = resources.files(__package__).joinpath("static", name).read_text("utf-8")
    return Response(content, media_type=_STATIC[name], headers=dict(HEADERS) | {"Cache-Control": "max-age=300"})


@asynccontextmanager
async def _with_auth_manager(app: FastAPI) -> AsyncIterator[None]:
    app.state.auth_manager = get_auth_manager()  # Airflow's own dependencies look for it in the app that serves
    yield


def _language(request: Request) -> Language:
    return chosen(
        request.query_params.get("lang"),
        request.cookies.get(_LANGUAGE_COOKIE),
        request.headers.get("accept-language", ""),
    )

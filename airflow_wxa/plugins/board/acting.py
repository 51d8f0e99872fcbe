"""Acts of the board: shown with what will happen, then done once, by Airflow's own API with the reader's own cookie.

Airflow's rights decide, whatever a page has offered. A page's token names its reader, the act, and the state that the
page has shown: a page that is stale, forged, sent twice or sent by another site does nothing, and says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.configuration import conf as settings
from anyio import to_thread
from fastapi import Response
from itsdangerous import BadData, URLSafeTimedSerializer

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.templates import gettemplatelist, read_templates
from airflow_wxa.api.values import APPID
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.fleet.manifest import MAX_PARAM_BYTES
from airflow_wxa.hooks.store import store_url
from airflow_wxa.plugins.board.form import as_texts, read_form
from airflow_wxa.plugins.board.pages import Pages
from airflow_wxa.plugins.board.plans import ABOUT, OF_FLEET, OF_MINI_PROGRAM, dag_run, plan
from airflow_wxa.plugins.board.reader import RELEASE, RefusedError
from airflow_wxa.plugins.trial import WeChatReads
from airflow_wxa.release import FIELDS
from airflow_wxa.store.acts import Acts
from airflow_wxa.store.mini_programs import Wanted
from airflow_wxa.texts import Text
from airflow_wxa.trial_link import api_base_url, api_root_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from anyio import CapacityLimiter
    from fastapi import Request

    from airflow_wxa.api.templates import Template
    from airflow_wxa.plugins.board.plans import Plan
    from airflow_wxa.plugins.board.reader import Reader
    from airflow_wxa.release import Field

log = logging.getLogger(__name__)

_LIFE_SECONDS: Final = 3600
#: A state that has not changed for this long after an act was not changed by it.
_UNKNOWN_SECONDS: Final = 120.0
_MAX_BODY: Final = 6 * MAX_PARAM_BYTES  # each byte of a manifest as three, those of its quotation marks twice
_SECONDS: Final = 30.0
_FLEET: Final = "wxa_fleet_release"
_NAMES_READ: Final = 50
#: Status of Airflow's API → the text that says what it means here; any other below 500 has Airflow's own words.
_ANSWERS: Final[Mapping[int, str]] = {
    401: "act.refused.rights",
    403: "act.refused.rights",
    404: "act.refused.gone",
}


class ActingPages(Pages):
    """The board's pages, and those that act.

    :param threads: of the board; at most as many acts are under way.
    """

    def __init__(self, threads: CapacityLimiter) -> None:
        super().__init__()
        self._threads = threads
        self._reads = WeChatReads()
        self._turns = asyncio.Semaphore(int(threads.total_tokens))

    def confirmation(self, reader: Reader) -> Response:
        """Show what an act would do, and the button that does it."""
        about = {name: reader.asked(name) for name in ABOUT} | {"conf": ""}  # only the form gives one
        return self._confirmed(reader, reader.asked("act"), about)

    def _confirmed(self, reader: Reader, act: str, about: Mapping[str, str]) -> Response:
        back = _back(reader, act, about)
        try:
            planned = plan(act, reader, about)
        except RefusedError as error:
            return self.told(reader, error.status, error.key, error.values, back=back)
        title, asked = planned.title or reader.word(f"act.{act}"), planned.asked
        if planned.asks == "release":  # the page has words of its own for it
            name = asked.get("name") or asked["appid"]
            title = reader.word("act.title.release", version=asked["user_version"], name=name)
        return self._page(
            reader,
            "act",
            title=title,
            act=act,
            about=about,
            plan=planned,
            titles={name: reader.language.read(field.title) for name, field in FIELDS.items()},
            token=_token(reader, act, about, planned),
            back=back,
        )

    async def form(self, reader: Reader) -> Response:
        """Show the form of a release, or what a form that was sent asks for, or what is wrong with it."""
        form = await _form(reader.request) if reader.request.method == "POST" else {}
        about = dict.fromkeys(ABOUT, "") | {
            name: form.get(name) or reader.asked(name) for name in ("dag_id", "run_id", "appid")
        }
        about["dag_id"] = about["dag_id"] or RELEASE
        return await self._guarded(reader, "form", about, self._form(reader, about, form))

    async def _form(self, reader: Reader, about: dict[str, str], form: Mapping[str, str]) -> Response:
        details = await _asked_airflow(reader.request, "GET", f"/dags/{quote(about['dag_id'], safe='')}/details")
        params = {name: each for name, each in (details["params"] or {}).items() if name in FIELDS}
        defaults = {name: each["value"] for name, each in params.items()}
        fixed = {"appid", *(name for name, each in params.items() if "const" in each.get("schema", {}))}
        fields = [field for name, field in FIELDS.items() if name in params.keys() - fixed]
        conn_id = str(defaults.get("platform_conn_id") or defaults.get("wxa_conn_id") or "")
        may_start = await self._in_thread(reader.may, "POST", DagAccessEntity.RUN, about["dag_id"])
        if not may_start or "user_version" not in defaults:  # before WeChat is asked
            raise RefusedError(403, "act.refused.rights")
        library = await self._library(about["dag_id"], conn_id)
        shown: Response = await self._in_thread(self._filled, reader, about, form, defaults, fields, library)
        return shown

    async def _guarded(
        self, reader: Reader, act: str, about: Mapping[str, str], work: Awaitable[Response | tuple[str, str]]
    ) -> Response:
        """Return a page, or the one that says what an act has come to, with the link that it made, or why it did not.

        :param work: makes the page, or does the act.
        """
        values: Mapping[str, object] = {}
        link = ""
        try:
            done = await work
            if isinstance(done, Response):
                return done
            status, (key, link) = 200, done
        except RefusedError as error:
            status, key, values = error.status, error.key, error.values
        except TimeoutError:
            status, key = 504, "act.refused.wechat"
        except WxaSpecError as error:
            status, key = 409, "act.refused.said"
            values = {"said": " ".join(reader.language.read(each) for each in error.problems)}
        except WxaError as error:
            log.exception("the board could not do %s", act)
            status, key = 503, "refused.store" if isinstance(error, WxaTransportError) else "act.refused.wechat"
        back = _back(reader, act, about)
        told: Response = await self._in_thread(self.told, reader, status, key, values, back=back, link=link)
        return told

    async def _library(self, dag_id: str, conn_id: str) -> Sequence[Template]:
        """Return the template library, newest first; ``()`` where WeChat does not tell: the form takes a number."""
        try:
            async with self._reads.turn(), self._reads.client("gettemplatelist", dag_id, conn_id) as client:
                found = read_templates(await client.send(gettemplatelist())) or ()
        except (WxaError, TimeoutError) as error:
            log.info("the form shows no templates: %s", error)
            return ()
        return sorted(found, key=lambda each: -each.template_id)

    def _filled(
        self,
        reader: Reader,
        about: dict[str, str],
        form: Mapping[str, str],
        defaults: Mapping[str, Any],
        fields: Sequence[Field],
        library: Sequence[Template],
    ) -> Response:
        texts, problems = dict(form), {}
        if form:
            seen = self._seen(reader)

            def appids_of(name: str) -> list[str]:
                rows = seen.store.page(seen.dag_ids, Wanted(text=name, page_size=_NAMES_READ))[0] if name else []
                return sorted({row.appid for row in rows if row.name == name})

            filled = read_form(form, appids_of, defaults)
            problems = {name: [reader.language.read(said) for said in each] for name, each in filled.problems.items()}
            if not problems:
                is_fleet = "manifest" in filled.conf
                asked = {"dag_id": _FLEET, "appid": ""} if is_fleet else {"appid": str(filled.conf["appid"])}
                return self._confirmed(reader, "release", {**about, **asked, "conf": json.dumps(dict(filled.conf))})
        else:
            conf = dag_run(about)[0] if about["run_id"] and reader.may_see_runs(about["dag_id"]) else {}
            texts = as_texts({**defaults, **conf}) | {"merchants": str(conf.get("appid") or about["appid"])}
        return self._page(
            reader,
            "form",
            fields=fields,
            said=reader.language.read,
            heading=lambda key: reader.language.read(Text(key)),
            about=about,
            texts=texts,
            problems=problems,
            library=library,
            back=_back(reader, "form", about),
        )

    async def done(self, reader: Reader) -> Response:
        """Do what a button of :meth:`confirmation` asks for, once."""
        form = await _form(reader.request)
        act, about = reader.asked("act"), {name: form.get(name, "") for name in ABOUT}
        async with self._turns:
            return await self._guarded(reader, act, about, self._do(reader, act, about, form))

    async def _do(self, reader: Reader, act: str, about: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
        """Do an act; return the text that says so and the link that it made, ``""`` for one that makes none."""
        if not form or not _is_of_our_page(reader.request):
            raise RefusedError(403, "act.refused.origin")
        nonce, state = _opened(form.get("token", ""), reader, act, about)
        planned: Plan = await self._in_thread(plan, act, reader, about)
        if state != _digest(planned.state):
            raise RefusedError(409, "act.refused.stale")
        why = form.get("comment", "").strip()[:2000]
        body = await self._in_thread(planned.answered, form.get("choice", ""), why)
        # Done once is the change of this state, or what this very page asked for.
        key = _digest([act, planned.path, state, nonce if planned.is_repeatable else ""])
        acts = Acts(Secret(store_url()))
        again_after = _LIFE_SECONDS if planned.is_repeatable else _UNKNOWN_SECONDS
        before = await self._in_thread(acts.claim, key, reader.names[1], again_after=again_after)
        if before is not None:
            raise RefusedError(409, "act.refused.twice", by=before)
        try:
            return f"act.done.{act}", await self._carried_out(reader, about["dag_id"], planned, why, body)
        except (RefusedError, WxaSpecError) as error:
            if getattr(error, "status", 400) < 500:  # noqa: PLR2004  (refused: nothing was done)
                await self._in_thread(acts.give_back, key)
            raise

    async def _carried_out(self, reader: Reader, dag_id: str, planned: Plan, why: str, body: Mapping[str, Any]) -> str:
        if planned.do is not None:
            await self._in_thread(planned.do, why)
        if planned.path:
            await _asked_airflow(reader.request, planned.method, planned.path, body)
        if planned.step is None:
            return ""
        step, endpoint, conn_id = planned.step
        async with self._reads.turn(), self._reads.client(endpoint, dag_id, conn_id) as client:
            return await client.run(step)

    async def _in_thread(self, work: Any, *args: Any, **values: Any) -> Any:
        return await to_thread.run_sync(lambda: work(*args, **values), limiter=self._threads)


async def _asked_airflow(request: Request, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask Airflow's API, as the reader; in this process, so that no proxy and no certificate is in the way.

    :raises RefusedError: it refused, status below 500; or nobody knows whether it was done.
    """
    credentials = {name: request.headers[name] for name in ("cookie", "authorization") if name in request.headers}
    transport = httpx.ASGITransport(app=request.scope["wxa.airflow"], raise_app_exceptions=False)
    try:
        async with asyncio.timeout(_SECONDS), httpx.AsyncClient(transport=transport) as client:
            url = f"http://airflow{api_root_path()}/api/v2{path}"
            answer = await client.request(method, url, json=body and dict(body), headers=credentials)
    except TimeoutError:
        raise RefusedError(504, "act.refused.unknown") from None
    if answer.is_success:
        return answer.json()
    if answer.is_server_error:
        raise RefusedError(502, "act.refused.unknown")
    if answer.status_code in _ANSWERS:
        raise RefusedError(answer.status_code, _ANSWERS[answer.status_code])
    if method == "PATCH" and answer.status_code == 409:  # noqa: PLR2004  (an answer, after another one)
        raise RefusedError(409, "act.refused.answered")
    raise RefusedError(answer.status_code, "act.refused.airflow", said=answer.text[:500])


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; ``{}`` of one that is larger than any of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return {}
    fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: text.replace("\0", "") for name, text in fields}


def _is_of_our_page(request: Request) -> bool:
    """Tell whether a request comes from a page of this server: the browser says so, and another site cannot."""
    origin = urlsplit(request.headers.get("origin", "")).netloc
    own = {request.headers.get("host", ""), urlsplit(api_base_url()).netloc}
    return bool(origin) and origin in own and request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


def _seal() -> URLSafeTimedSerializer:
    key = settings.get_mandatory_value("api", "secret_key")
    return URLSafeTimedSerializer(key, salt="wxa.board.act", signer_kwargs={"digest_method": hashlib.sha256})


def _token(reader: Reader, act: str, about: Mapping[str, str], planned: Plan) -> str:
    """Return what a page hands to its button, sealed: what it is for, a number of its own, and the state's digest."""
    return str(_seal().dumps([_purpose(reader, act, about), secrets.token_hex(8), _digest(planned.state)]))


def _opened(token: str, reader: Reader, act: str, about: Mapping[str, str]) -> tuple[str, str]:
    """Return number and state's digest of a token.

    :raises RefusedError: we did not give it to this reader for this act, or longer ago than it lives.
    """
    with suppress(BadData):
        purpose, nonce, state = _seal().loads(token, max_age=_LIFE_SECONDS - 1)  # it counts whole seconds
        if purpose == _purpose(reader, act, about):
            return nonce, state
    raise RefusedError(403, "act.refused.token")


def _purpose(reader: Reader, act: str, about: Mapping[str, str]) -> str:
    return _digest([reader.names[0], act, dict(about)])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _back(reader: Reader, act: str, about: Mapping[str, str]) -> str:
    """Return the address of the page that an act belongs to."""
    if act in OF_FLEET and act not in OF_MINI_PROGRAM:
        return f"{reader.base}/fleet?{urlencode({name: about[name] for name in ('dag_id', 'run_id')})}"
    return f"{reader.base}/mini-program/{about['appid']}" if APPID.fullmatch(about["appid"]) else f"{reader.base}/"

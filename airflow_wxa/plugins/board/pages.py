"""Each page of the board as a function of its reader."""

from __future__ import annotations

import csv
import io
import logging
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import segno
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_wxa.api.acting import who_acts
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import APPID, THE_PLATFORM, csv_cell
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.screenshots import read_screenshot
from airflow_wxa.hooks.store import open_fleets, open_ledger, store_url
from airflow_wxa.plugins.board import views
from airflow_wxa.plugins.board.languages import LANGUAGES
from airflow_wxa.plugins.board.plans import OF_FLEET, OF_MINI_PROGRAM, offered
from airflow_wxa.plugins.board.reader import Reader, RefusedError
from airflow_wxa.plugins.board.runs import OVER, Kept, lives_of, runs_under_way
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.store.history import History
from airflow_wxa.store.ledger import VERIFICATION_FILE_READ
from airflow_wxa.store.mini_programs import ENDED, HALTED, KINDS, SORTS, MiniProgram, MiniPrograms, Wanted
from airflow_wxa.store.questions import values_of
from airflow_wxa.texts import template
from airflow_wxa.trial_link import api_root_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi import Request

    from airflow_wxa.plugins.board.runs import Question, UnderWay
    from airflow_wxa.store.mini_programs import Tally

    _Values = Mapping[str, object] | None

log = logging.getLogger(__name__)

_ENTRIES_SHOWN: Final = 100
_VERSIONS_SHOWN: Final = 20
#: Values that are words → the texts that say them.
_WORDS: Final = {"outcome": "outcome", "who": "who", "drift_word": "drift"}
_FILE_NAME: Final = re.compile(r"[\w.-]{1,100}", re.ASCII)
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """Each page as a function of its reader, run in a thread."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("airflow_wxa.plugins.board"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._kept = Kept()
        self._templates.filters |= {"iso": _iso, "minute": _minute}

    def answered(self, page: Callable[[Reader], Response], reader: Reader) -> Response:
        """Return a page, or the one that says why it is not shown."""
        if not reader.may_see_runs(None):
            return self.told(reader, 403, "refused.no_runs")
        try:
            return page(reader)
        except RefusedError as error:
            return self.told(reader, error.status, error.key, error.values)
        except WxaError:
            log.exception("the board could not read the store")
            return self.told(reader, 503, "refused.store")

    def mini_programs(self, reader: Reader) -> Response:
        """Show each Mini Program: what is online, and what runs."""
        seen = self._seen(reader)
        wanted = _wanted(reader.request, seen.mine)
        questions = () if wanted.run_id else seen.questions(reader.names[0])
        # All that the page is made of: whoever asks the same within seconds is shown the same.
        asked = (seen.store.runs, seen.dag_ids, wanted, questions, reader.language, reader.base, reader.may_release)
        listed = partial(self._listed, reader, seen, wanted, questions)
        return _html(self._kept.get((*asked, str(reader.request.query_params)), listed))

    def _listed(self, reader: Reader, seen: _Seen, wanted: Wanted, questions: Sequence[Question]) -> str:
        tally = self._tally(seen, wanted)
        rows, total = seen.store.page(seen.dag_ids, wanted, total=tally.of(wanted))
        if total and not rows:  # past the end: the last page
            wanted = replace(wanted, page=-(-total // wanted.page_size))
            rows, total = seen.store.page(seen.dag_ids, wanted, total=total)
        first = (wanted.page - 1) * wanted.page_size
        return self._filled_in(
            reader,
            "mini_programs",
            heading=wanted.run_id or reader.word("mini_programs"),
            rows=[self._shown(reader, seen, row) for row in rows],
            counts=tally.who,
            kinds={kind: tally.kinds[kind] + (len(questions) if kind == "mine" else 0) for kind in KINDS},
            outcomes=tally.outcomes,
            questions=questions,
            query=wanted,
            columns=views.COLUMNS,
            first=min(first + 1, total),
            last=first + len(rows),
            total=total,
            overtaken=seen.store.overtaken(seen.dag_ids, wanted) if wanted.run_id else [],
        )

    def mini_programs_csv(self, reader: Reader) -> Response:
        """Return the same, whole, as CSV."""
        seen = self._seen(reader)
        text = io.StringIO()
        lines = csv.writer(text)
        names = [name for column in views.COLUMNS for name in column.csv]
        zone = {name: " (UTC+8)" for name in names if _is_time(name)}
        lines.writerow([reader.word(f"column.{name}") + zone.get(name, "") for name in names])
        for row in seen.store.all(seen.dag_ids, _wanted(reader.request, seen.mine)):
            shown = self._shown(reader, seen, row)
            lines.writerow([csv_cell(_plain(reader, name, shown[name])) for name in names])
        headers = dict(HEADERS) | {"Content-Disposition": 'attachment; filename="mini-programs.csv"'}
        # Without the mark spreadsheets take the text for the machine's own encoding, and Chinese for noise.
        return PlainTextResponse("\ufeff" + text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    def mini_program(self, reader: Reader) -> Response:
        """Show one Mini Program: domains, versions, audit, runs and ledger."""
        appid = reader.asked("appid")
        seen = self._seen(reader)
        row = seen.store.of(appid, seen.dag_ids) if APPID.fullmatch(appid) else None
        if row is None:
            raise RefusedError(404, "refused.unknown")
        ledger = open_ledger()
        of_appid: dict[str, Any] = {"component_appid": row.component_appid, "appid": appid, "dag_ids": seen.dag_ids}
        entries = ledger.entries(**of_appid, most=_ENTRIES_SHOWN)
        outcomes = ledger.outcomes(**of_appid)
        platform = ledger.entries(component_appid=row.component_appid, appid="", most=_ENTRIES_SHOWN)
        lives = lives_of({(each.dag_id, each.run_id) for each in outcomes})
        read = {"own": (row.own_at, row.own), "effective": (row.effective_at, row.effective)}
        runs = [views.run_view(each, entries, lives.get((each.dag_id, each.run_id))) for each in outcomes]
        return self._page(
            reader,
            "mini_program",
            row=self._shown(reader, seen, row),
            online_url=_run_url(row.online_dag_id, row.online_run_id) if row.online_dag_id in seen.dag_ids else "",
            acts=offered(reader, OF_MINI_PROGRAM, dag_id=row.dag_id, run_id=row.run_id, appid=appid),
            domains=views.domain_table(entries, platform, outcomes, read),
            will_be_lost=views.will_be_lost(outcomes),
            runs=[_told(reader, each) for each in runs],
            entries=entries,
        )

    def screenshot(self, reader: Reader) -> Response:
        """Return a reviewer's screenshot of a sheet that a DAG of the reader's has waited for."""
        appid, auditid, number = (reader.asked(name) for name in ("appid", "auditid", "number"))
        seen = self._seen(reader)
        row = seen.store.of(appid, seen.dag_ids) if APPID.fullmatch(appid) else None
        outcomes = open_ledger().outcomes(row.component_appid, appid, dag_ids=seen.dag_ids) if row else []
        rejected = [views.rejection_of([each]) for each in outcomes]
        known = [each for each in rejected if each and each["auditid"] == auditid and number in each["screenshots"]]
        found = read_screenshot(appid, auditid, int(number)) if known else None
        if found is None:
            raise RefusedError(404, "refused.screenshot")
        image, media_type = found
        return Response(image, media_type=media_type, headers=dict(HEADERS))

    def verification_file(self, reader: Reader) -> Response:
        """Return the verification file that a task has read, as a download: as the ledger has it, not as an XCom."""
        dag_id, run_id, task_id = (reader.asked(name) for name in ("dag_id", "run_id", "task_id"))
        if not reader.may_see_runs(dag_id):
            raise RefusedError(403, "refused.no_runs")
        rows = open_ledger().entries(appid=THE_PLATFORM, run_id=run_id, dag_ids=[dag_id])
        read = (row for row in rows if (row.endpoint, row.task.task_id) == (VERIFICATION_FILE_READ, task_id))
        file = row.after if (row := next(read, None)) else {}
        name = str(file.get("file_name", ""))
        if not _FILE_NAME.fullmatch(name):
            raise RefusedError(404, "refused.file")
        headers = dict(HEADERS) | {"Content-Disposition": f'attachment; filename="{name}"'}
        return PlainTextResponse(str(file["file_content"]), headers=headers)

    def fleets(self, reader: Reader) -> Response:
        """Show the latest fleets."""
        fleets = open_fleets()
        runs = fleets.latest(reader.readable(fleets.dag_ids()))
        lives = lives_of({(each.dag_id, each.run_id) for each in runs})
        shown = [(each, views.parts_of(each.outcomes), lives[each.dag_id, each.run_id]) for each in runs]
        return self._page(reader, "fleets", runs=shown)

    def fleet(self, reader: Reader) -> Response:
        """Show one fleet: what holds it, waves with their gates, errcodes."""
        dag_id, run_id = reader.asked("dag_id"), reader.asked("run_id")
        if not reader.may_see_runs(dag_id):
            raise RefusedError(404, "refused.fleet")
        fleets, key = open_fleets(), RunKey(dag_id, run_id)
        run, counts = fleets.run(key), fleets.counts(key)
        if run is None or not counts:
            raise RefusedError(404, "refused.fleet")
        gates = views.gates_of(run)
        waves, codes = views.waves_of(counts, run.manifest, gates)
        life = lives_of({(dag_id, run_id)})[dag_id, run_id]
        state, values, since = views.headline(run, waves, life)
        gate = gates.get(values.get("wave", ""))
        asked_of = values_of(gate.asked["question"]).get("approvers", ()) if gate else life.asked_of
        left = None if life.word in {"interrupted", *OVER} else views.seconds_left(run, waves, time.time())
        return self._page(
            reader,
            "fleet",
            dag_id=dag_id,
            run_id=run_id,
            acts=offered(reader, OF_FLEET, dag_id=dag_id, run_id=run_id),
            run_url=_run_url(dag_id, run_id),
            headline=reader.word(f"headline.{state}", **values),
            since=since,
            asked_of=asked_of,
            state=state,
            hours_left=left / 3600 if left is not None else None,
            waves=waves,
            parts_of=views.parts_of,
            errcodes=[(code, count, errcodes().get(code)) for code, count in codes.most_common()],
        )

    def errcodes(self, reader: Reader) -> Response:
        """Show WeChat's table."""
        text = reader.request.query_params.get("q", "")[:100]
        rows = []
        for row in errcodes().values():
            shown = f"{row.errcode}\n{row.name}\n{row.meaning}\n{reader.language.read(row.meaning)}"
            if row.errcode and text.lower() in shown.lower():
                rows.append((row, who_acts("stopped", row.errcode)))
        return self._page(reader, "errcodes", rows=rows, q=text)

    def errcode(self, reader: Reader) -> Response:
        """Show one errcode: what it means, who acts, what to do."""
        code = _number(reader.asked("code"))
        row = errcodes().get(code) if code else None
        if row is None or code is None:
            raise RefusedError(404, "refused.errcode")
        seen = self._seen(reader)
        _, concerned = seen.store.page(seen.dag_ids, Wanted(errcode=code, page_size=1))
        return self._page(
            reader,
            "errcode",
            row=row,
            who=who_acts("stopped", code),
            concerned=concerned,
        )

    def releases(self, reader: Reader) -> Response:
        """Show who has released what, and when."""
        seen, history = self._seen(reader), History(Secret(store_url()))
        asked = {name: reader.asked(name)[:250] for name in ("by", "dag_id", "day")}
        people, dag_ids = history.choices(seen.dag_ids)
        found = history.releases(seen.dag_ids, by=asked["by"], dag_id=asked["dag_id"], day=asked["day"])
        return self._page(
            reader,
            "releases",
            days=[(day, list(some)) for day, some in groupby(found, key=lambda each: each.day)],
            asked=asked,
            people=people,
            dag_ids=dag_ids,
            run_url=_run_url,
        )

    def overview(self, reader: Reader) -> Response:
        """Show versions, the health of domains, the audit quota, and how long reviews take."""
        seen = self._seen(reader)
        reviews = History(Secret(store_url())).reviews(seen.dag_ids)
        versions = seen.store.versions(seen.dag_ids)
        return self._page(
            reader,
            "overview",
            versions=versions[:_VERSIONS_SHOWN],
            more_versions=len(versions[_VERSIONS_SHOWN:]),
            total=sum(number for _, number in versions),
            tally=self._tally(seen, Wanted()),
            compared=seen.store.compared(seen.dag_ids),
            quota=seen.store.quota(seen.dag_ids),
            reviews=len(reviews),
            median=reviews[len(reviews) // 2] / 3600 if reviews else None,
            slow=reviews[len(reviews) * 9 // 10] / 3600 if reviews else None,
        )

    def _seen(self, reader: Reader) -> _Seen:
        url = Secret(store_url())
        store = MiniPrograms(url)
        dag_ids = self._kept.get("DAGs", store.dag_ids)
        under_way = self._kept.get("runs", partial(runs_under_way, store))
        store = MiniPrograms(url, under_way.runs(reader.names[0]))
        return _Seen(store, reader.readable(dag_ids), reader.readable(dag_ids, "PUT"), under_way)

    def _tally(self, seen: _Seen, wanted: Wanted) -> Tally:
        """Return how many there are of each kind, of the run that is asked for or of all."""
        of_run = Wanted(dag_id=wanted.dag_id, run_id=wanted.run_id)
        key = (seen.store.runs, seen.dag_ids, seen.mine, of_run)
        return self._kept.get(key, partial(seen.store.tally, seen.dag_ids, of_run, seen.mine))

    def _shown(self, reader: Reader, seen: _Seen, row: MiniProgram) -> dict[str, Any]:
        """Return a row as the templates show it."""
        life = None if row.outcome in ENDED else seen.under_way.lives.get((row.dag_id, row.run_id))
        values = {name: getattr(row, name) for name in MiniProgram.__slots__} | {"life": life}
        account = (row.account or {}).items()
        values["account"] = {kind: [reader.language.read(each) for each in said] for kind, said in account}
        return _told(reader, values | {"pipeline": views.pipeline(row.outcome, row.task_id)})

    def told(
        self, reader: Reader, status: int, key: str, values: _Values = None, *, back: str = "", link: str = ""
    ) -> Response:
        """Say what became of an act, or why a page is not shown, with the way back.

        :param link: that the act has made.
        """
        kind = "act" if status == HTTPStatus.OK else "act.refused" if back else "refused"
        return self._page(
            reader,
            "told",
            status,
            title=reader.word(f"{kind}.title"),
            text=reader.word(key, **values or {}),
            link_made=link,
            qrcode=Markup(segno.make(link, error="m").svg_inline(scale=4, light="#fff")) if link else "",  # noqa: S704
            back=back or f"{reader.base}/",
        )

    def _page(self, reader: Reader, name: str, status: int = 200, **values: Any) -> Response:
        return _html(self._filled_in(reader, name, **values), status)

    def _filled_in(self, reader: Reader, name: str, **values: Any) -> str:
        """Fill a page's template; its title and its place in the navigation are its name, unless it says another."""
        query = dict(reader.request.query_params)
        return self._templates.get_template(f"{name}.html").render(
            t=reader.word,
            read=reader.language.read,
            language=reader.language,
            languages=LANGUAGES,
            base=reader.base,
            kept=[(name, value) for name, value in query.items() if name != "lang"],
            link=partial(_link, reader.base, query),
            may_release=reader.may_release,
            **{"title": reader.word(name), "section": name, **values},
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """Mini Programs, DAGs and runs that a reader may see.

    :param mine: the DAGs whose runs they may go on with.
    """

    store: MiniPrograms
    dag_ids: frozenset[str]
    mine: frozenset[str]
    under_way: UnderWay

    def questions(self, user_id: str) -> tuple[Question, ...]:
        """Return the questions to this person that are not about one Mini Program: those stand in its row."""
        mine = (each for each in self.under_way.questions if each.dag_id in self.mine and each.is_for(user_id))
        return tuple(each for each in mine if each.run not in self.under_way.waiting)


def _html(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, headers=dict(HEADERS))


def _link(base: str, query: Mapping[str, str], path: str = "/", **changes: Any) -> str:
    """Return the address of a page with something changed."""
    changed = {**query, **changes}
    kept = {name: value for name, value in changed.items() if value not in (None, "") and name != "lang"}
    return f"{base}{path}{'?' + urlencode(kept) if kept else ''}"


def _wanted(request: Request, mine: frozenset[str]) -> Wanted:
    """Read the filters of a page; one that cannot be read counts as not given."""
    query = request.query_params
    names = ("who", "outcome", "wave", "dag_id", "run_id", "kind", "online")
    texts: dict[str, Any] = {name: query.get(name, "")[:250] for name in names}
    sort = query.get("sort", "at")
    return Wanted(
        text=query.get("q", "").strip()[:100],
        mine=mine,
        errcode=_number(query.get("errcode")),
        sort=sort if sort in SORTS else "at",
        descending=bool(query.get("desc")) or "sort" not in query,
        page=min(max(_number(query.get("page")) or 1, 1), 1_000_000),
        **texts,
    )


def _number(text: str | None) -> int | None:
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if abs(number) < 2**31 else None


def _told(reader: Reader, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what to do in the reader's language, as far as it is known there."""
    outcome, life, errcode = row["outcome"], row["life"], row["errcode"]
    run_url = _run_url(row["dag_id"], row["run_id"])
    if outcome == "asked":
        run_url += "/required_actions"  # where Airflow asks it
    if outcome in HALTED:
        task = life.task_id if life else ""
        what = reader.word(f"what.{'ended' if life and life.word in OVER else outcome}", task=task or row["task_id"])
        return row | {"what": what, "next_step": reader.word(f"next.{outcome}"), "run_url": run_url}
    known = errcodes().get(errcode) if errcode and row["who"] != "nobody" else None
    in_general = ("", template("page", f"next.{outcome}", reader.language.code))
    if known:
        in_general = known.meaning, known.action
    said = (row["what"], row["next_step"])
    what, next_step = (reader.language.read(*texts) for texts in zip(said, in_general, strict=True))
    return row | {"what": what, "next_step": next_step, "run_url": run_url}


def _plain(reader: Reader, name: str, value: Any) -> Any:
    """Return a value as a spreadsheet shows it: a word in the reader's language, a time by WeChat's clock."""
    if name in _WORDS and value:
        return reader.word(f"{_WORDS[name]}.{value}")
    if isinstance(value, list):
        return " ".join(map(str, value))
    return _minute(value, BEIJING) if value and _is_time(name) else value


def _is_time(name: str) -> bool:
    return name == "at" or name.endswith("_at")


def _run_url(dag_id: str, run_id: str) -> str:
    return f"{api_root_path()}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def _iso(at: float | str, zone: tzinfo = UTC) -> str:
    try:
        return at if isinstance(at, str) else datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # a merchant's odd time must not cost everybody the page
        return str(at)


def _minute(at: float | str, zone: tzinfo = UTC) -> str:
    return _iso(at, zone)[:16].replace("T", " ")

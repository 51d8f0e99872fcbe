"""The form of a release: for one Mini Program, several, or a fleet from a CSV; checked by the rules of a run."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.values import APPID
from airflow_wxa.errors import WxaSpecError, shown
from airflow_wxa.fleet.manifest import MAX_PARAM_BYTES, RELEASE_FIELDS, read_cell, read_manifest
from airflow_wxa.release import FIELDS, read_release
from airflow_wxa.texts import Text, in_language, languages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: What a run of a fleet takes beside its manifest.
_OF_FLEET: Final = ("approval", "approvers", "approver_must_differ", "wxa_conn_id", "platform_conn_id")
_MERCHANTS: Final = "merchants"
_MAX_PROBLEMS: Final = 50
_MAX_CANARIES: Final = 5
#: Headings of columns that nothing needs.
_UNREAD: Final = ("name", "名称")
_IN_BRACKETS: Final = re.compile(r"\s*[(\N{FULLWIDTH LEFT PARENTHESIS}].*")
_OF_FIELD: Final = re.compile(r"(?:release\.)?(\w+)")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent.

    :param conf: of the run that it asks for; ``{}``: it has problems.
    :param problems: by field; those of a merchant name the line.
    """

    conf: Mapping[str, Any]
    problems: Mapping[str, Sequence[str]]


def as_texts(conf: Mapping[str, Any]) -> dict[str, str]:
    """Return what the form's fields show for the params of a run."""
    given = {name: conf[name] for name in FIELDS if name in conf}
    return {name: _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def read_form(
    texts: Mapping[str, str], appids_of: Callable[[str], Sequence[str]], defaults: Mapping[str, Any]
) -> Filled:
    """Read a form.

    :param texts: of the fields, and ``merchants``: appids or names, one a line, or a CSV with a line of headings.
    :param appids_of: the Mini Programs of a name.
    :param defaults: of the DAG's params; a value that is one of them is left to the DAG.
    """
    values: dict[str, Any] = {}
    problems: dict[str, Sequence[str]] = {}
    for name in FIELDS:
        text = texts.get(name, "").strip()
        if name in texts and text != as_texts(defaults).get(name, ""):
            values[name], can_be = read_cell(name, text) if text else (FIELDS[name].default, True)
            if not can_be:
                problems[name] = [f"{name} = {shown(repr(text))}: must be {FIELDS[name].must}"]
    table = _table(texts.get(_MERCHANTS, ""), appids_of)
    if isinstance(table, list):
        problems[_MERCHANTS] = table
    if problems or isinstance(table, list):
        return Filled({}, problems)
    names, rows = table
    if len(rows) > 1:  # the fleet's DAG has defaults of its own
        own_defaults = {name: defaults[name] for name in (*RELEASE_FIELDS, *_OF_FLEET) if name in defaults}
        changed = {name: value for name, value in own_defaults.items() if value != FIELDS[name].default}
        return _fleet(changed | values, names, rows)
    own = {name: read_cell(name, cell)[0] for name, cell in zip(names, rows[0], strict=True) if name and cell}
    conf = values | own
    return _checked(conf, read_release({**defaults, **conf})[1])


_Table = tuple[list[str], list[list[str]]]


def _table(text: str, appids_of: Callable[[str], Sequence[str]]) -> _Table | list[str]:
    """Return fields and rows of the merchants, each with its appid; or what is wrong, by line."""
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").strip("\r\n ")
    dialect = csv.excel_tab if "\t" in text.partition("\n")[0] else csv.excel
    reader = csv.reader(io.StringIO(text, newline=""), dialect, strict=True)
    try:
        lines = list(reader)
    except csv.Error:
        return [Text("at_line", line=reader.line_num, problem=Text("cell_is_no_csv"))]
    if not lines:
        return [f"appid = '': must be {FIELDS['appid'].must}"]
    headings = [_field(cell) for cell in lines[0]]
    has_headings = "appid" in headings
    if has_headings and (unknown := [cell for cell, name in zip(lines[0], headings, strict=True) if name is None]):
        return [
            Text("column_is_unknown", column=repr(cell), known=", ".join(("appid", *RELEASE_FIELDS)))
            for cell in unknown
        ]
    names = [name or "" for name in headings] if has_headings else ["appid"]
    rows: list[list[str]] = []
    problems: list[str] = []
    for number, row in enumerate(lines[has_headings:], 1 + has_headings):
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        if len(cells) != len(names):
            problems.append(Text("row_has_other_length", line=number, found=len(cells), wanted=len(names)))
            continue
        at = names.index("appid")
        found = [cells[at]] if APPID.fullmatch(cells[at]) else list(appids_of(cells[at]))
        if len(found) != 1:
            key = "several_have_the_name" if found else "no_mini_program_has_the_name"
            problems.append(Text(key, line=number, name=shown(repr(cells[at])), found=", ".join(found)))
            continue
        rows.append([*cells[:at], found[0], *cells[at + 1 :]])
    return problems[:_MAX_PROBLEMS] or (names, rows)


@cache
def _fields() -> Mapping[str, str]:
    """Return the field of each heading: its name, and its title in every language, with and without the name."""
    found = dict.fromkeys(_UNREAD, "")
    for name in ("appid", *RELEASE_FIELDS):
        titles = {in_language(FIELDS[name].title, language).lower() for language in languages()}
        found |= dict.fromkeys([name, *titles, *(_IN_BRACKETS.sub("", title) for title in titles)], name)
    return found


def _field(heading: str) -> str | None:
    """Return the field that a column's heading means, ``""`` for one that nothing needs, ``None`` for an unknown."""
    return _fields().get(heading.strip().lower())


class _Pasted:
    """Sources of a manifest whose merchants stand in the form."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, name: str) -> str:  # noqa: ARG002  (there is one text)
        return self._text

    def authorised(self) -> Sequence[str]:
        return ()

    def released_at(self) -> Mapping[str, float]:
        return {}


def _fleet(values: Mapping[str, Any], names: Sequence[str], rows: Sequence[Sequence[str]]) -> Filled:
    """Return the conf of a fleet's run, with all that its manifest would be refused for."""
    text = io.StringIO()
    kept = [at for at, name in enumerate(names) if name]
    csv.writer(text).writerows([[names[at] for at in kept], *([row[at] for at in kept] for row in rows)])
    release = {name: value for name, value in values.items() if name in RELEASE_FIELDS}
    of_run = {name: value for name, value in values.items() if name in _OF_FLEET}
    if alone := values.keys() - release.keys() - of_run.keys():
        return Filled({}, {name: [Text("only_for_one", field=name)] for name in sorted(alone)})
    waves = {"canary": {"apps": max(1, min(_MAX_CANARIES, len(rows) // 10))}, "early": {"percent": 10}}
    manifest: dict[str, Any] = {"release": release, "waves": waves, "apps": {"csv": _MERCHANTS}}
    try:
        read = read_manifest(json.dumps(manifest, ensure_ascii=False, indent=1), _Pasted(text.getvalue()))
    except WxaSpecError as error:
        return _checked({}, error.problems, of_fleet=True)
    manifest["apps"] = [{"appid": app.appid, **app.given} if app.given else app.appid for app in read.apps]
    written = json.dumps(manifest, ensure_ascii=False)
    if len(written.encode()) > MAX_PARAM_BYTES:
        return _checked({}, [Text("manifest_is_too_long")], of_fleet=True)
    return Filled({"manifest": written, **of_run}, {})


def _checked(conf: Mapping[str, Any], problems: Sequence[str], *, of_fleet: bool = False) -> Filled:
    """Return a form, each problem beside its field; those of merchants, and all that have no field, beside these."""
    by_field: dict[str, list[str]] = {}
    for problem in problems[:_MAX_PROBLEMS]:
        said = problem
        if of_fleet and isinstance(problem, Text) and not problem.startswith(_MERCHANTS):
            said = problem.values.get("problem", problem)  # without the line of a manifest that nobody wrote
        match = _OF_FIELD.match(said)
        name = match.group(1) if match and match.group(1) in FIELDS and match.group(1) != "appid" else _MERCHANTS
        by_field.setdefault(name, []).append(said)
    return Filled({} if problems else dict(conf), by_field)

"""The manifest of a fleet: read, checked as a whole, every problem with its file and line.

Its schema is ``manifest.schema.json`` beside this module, which editors complete it with. Terms of the fleet as a whole
are written there; terms of a Mini Program are put there from the table of a release's fields, by
``python -m docs.generate``, and a test holds the file to that.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import math
import re
import time
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_wxa.api.values import APPID
from airflow_wxa.errors import WxaSpecError, problem, problem_at, shown
from airflow_wxa.fleet.located import LocatedDict, LocatedList, Problem, read_document
from airflow_wxa.fleet.waves import submits_ahead
from airflow_wxa.fleet.window import holidays_of, opens_at
from airflow_wxa.release import FIELDS, read_release
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jsonschema.protocols import Validator

#: What a manifest can ask for each Mini Program, by the names of ``wxa_release``'s params. A withdrawal costs one of
#: ten a month and is decided for one Mini Program at a time: a foreign sheet in audit blocks it here.
RELEASE_FIELDS: Final = tuple(
    name for name, field in FIELDS.items() if not field.of_run and name not in {"appid", "withdraw_foreign_audit"}
)
SCHEMA_FILE: Final = "manifest.schema.json"
_MOST_PROBLEMS: Final = 200  # that an error lists; the rest is counted
_INLINE: Final = "manifest"
_OF_ROLLBACK: Final = ("app_version",)
#: A longer param is kept with the run, in the conf of each of its tasks, and in every page about it.
MAX_PARAM_BYTES: Final = 1024 * 1024


def packaged_schema() -> dict[str, Any]:
    """Return the schema as the file has it."""
    schema: dict[str, Any] = json.loads(resources.files(__package__).joinpath(SCHEMA_FILE).read_text("utf-8"))
    return schema


class Sources(Protocol):
    """Sources of a manifest's files and merchants."""

    def read(self, name: str) -> str:
        """Return the text of a file.

        :raises WxaSpecError: there is no such file, or it may not be read.
        """
        ...

    def authorised(self) -> Sequence[str]:
        """Return the Mini Programs that authorised the platform, as far as the store knows."""
        ...

    def released_at(self) -> Mapping[str, float]:
        """Return epoch seconds of the last release of each Mini Program, as far as the ledger knows."""
        ...


@dataclass(frozen=True, slots=True)
class App:
    """A Mini Program of a manifest.

    :param given: the manifest's values for this one, in place of those for all.
    """

    appid: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that can be used.

    :param common: all of it but ``apps``, as JSON.
    :param apps: in order; the order is the priority.
    """

    common: Mapping[str, Any]
    apps: tuple[App, ...]

    @property
    def digest(self) -> str:
        """Return a text that tells it from any other manifest."""
        whole = hashlib.sha256(_canonical(self.common))
        for app in self.apps:
            whole.update(_canonical([app.appid, app.given]))
        return whole.hexdigest()


def read_manifest(
    text: str, sources: Sources, *, fixed: Mapping[str, Any] | None = None, file: str = "", rolls_back: bool = False
) -> Manifest:
    """Read a manifest: YAML, JSON, or one line that names a file of the sources.

    :param fixed: field of a release → the value that the DAG has decided; a manifest that gives another is refused.
    :param file: file that the text was read from, if any.
    :param rolls_back: the manifest's values for a release are not looked at; a Mini Program may have an
        ``app_version``.
    :raises WxaSpecError: every problem together, each with file and line.
    """
    stripped = text.strip()
    if not file and stripped and "\n" not in stripped and stripped[0] not in "{[" and ": " not in stripped:
        file, text = stripped, sources.read(stripped)
    elif not file and len(stripped.encode(errors="replace")) > MAX_PARAM_BYTES:
        raise _refusal([Problem(_INLINE, 0, Text("manifest_has", "too_long"))])
    file = file or _INLINE
    document, problems = read_document(text, file)
    reader = _ManifestReader(file, sources, fixed or {}, problems, rolls_back=rolls_back)
    manifest = reader.read(document)
    if reader.problems:
        raise _refusal(reader.problems)
    return manifest


def _refusal(problems: Iterable[Problem]) -> WxaSpecError:
    listed: list[str] = [each.told for each in sorted(problems, key=lambda each: (each.file, each.line))]
    more = len(listed) - _MOST_PROBLEMS
    listed[_MOST_PROBLEMS:] = [Text("and_more_problems", count=more)] if more > 0 else []
    return WxaSpecError(Text("manifest_is_refused"), listed)


class _ManifestReader:
    """Reads one manifest and collects what is wrong with it."""

    def __init__(
        self, file: str, sources: Sources, fixed: Mapping[str, Any], problems: Iterable[Problem], *, rolls_back: bool
    ) -> None:
        self._rolls_back = rolls_back
        self._fields = ("appid", *(_OF_ROLLBACK if rolls_back else ()), *RELEASE_FIELDS)
        self._file = file
        self._sources = sources
        self._fixed = fixed
        self._platform = LocatedDict(1)
        self._adds = False  # whether a Mini Program gets domains
        self.problems = dict.fromkeys(problems)  # in order, each once

    def read(self, document: Any) -> Manifest:
        if not isinstance(document, LocatedDict):
            if not self.problems:
                self._say(LocatedDict(1), Text("manifest_has", "no_mapping"))
            return Manifest({}, ())
        if self._rolls_back:
            document |= {"release": LocatedDict(document.line)}
            document.pop("platform", None)
        self._check_shape(document)
        release, self._platform = _inside(document, "release"), _inside(document, "platform")
        for name in sorted(name for name in set(release) & set(self._fixed) if release[name] != self._fixed[name]):
            self._say(release, problem_at(f"release.{name}", Text("manifest_has", "decided")), name)
        self._read_calendar(document)
        if document.get("submit") == "after_canary" and not self.problems and submits_ahead(dict(document)):
            self._say(document, problem("submit", "after_canary", Text("manifest_has", "no_canary")), "submit")
        apps = tuple(self._checked(release, self._app_entries(document.get("apps"))))
        if not apps and not self.problems:
            self._say(document, problem_at("apps", Text("manifest_has", "no_app")), "apps")
        if self._platform.get("on_platform_list_empty") == "register" and not self._adds and not self.problems:
            no_domains = problem("platform.on_platform_list_empty", "register", Text("manifest_has", "no_domains"))
            self._say(self._platform, no_domains, "on_platform_list_empty")
        by_age = "oldest_first" if "authorised" in _inside(document, "apps") else "manifest"
        if document.get("order", by_age) == "oldest_first" and apps:
            released_at = self._sources.released_at()
            apps = tuple(sorted(apps, key=lambda app: released_at.get(app.appid, 0.0)))
        common = {name: _plain(value) for name, value in document.items() if name != "apps"}
        return Manifest({**common, "release": {**_plain(release), **self._fixed}}, apps)

    # Shape -------------------------------------------------------------------------------------------------------

    def _check_shape(self, document: LocatedDict) -> None:
        """Check everything by the schema, entries and shared values aside: they are checked for each Mini Program."""
        thin = dict(document)
        if isinstance(thin.get("apps"), list):
            thin["apps"] = ["wx0123456789abcdef"]
        if isinstance(thin.get("release"), LocatedDict):
            thin["release"] = {name: value for name, value in thin["release"].items() if name not in RELEASE_FIELDS}
        for error in _validator().iter_errors(thin):
            for line, text in _shape_problems(error, document):
                self._say(LocatedDict(line), text)

    def _read_calendar(self, document: LocatedDict) -> None:
        """Check days and time zone, and put the days of holidays and files in place of their names."""
        window = _inside(document, "window")
        zone = window.get("time_zone", "Asia/Shanghai")
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
            no_zone = problem("window.time_zone", zone, Text("manifest_has", "no_zone"))
            self._say(window, no_zone, "time_zone")
        for name, inside in (("freeze", document), ("reviews_stop", document), ("dates", window)):
            if isinstance(inside.get(name), LocatedList):
                inside[name] = [day for each in inside[name] for day in self._days(name, each)]
        if not self.problems and opens_at(document, time.time()) == math.inf:
            name = "freeze" if "freeze" in document else "window"
            self._say(document, problem_at("window, freeze", Text("manifest_has", "no_hour")), name)

    def _days(self, name: str, given: Any) -> Iterator[dict[str, str]]:
        """Yield spans of days: as given, of the holidays of a country, or from a CSV file with from, to and reason."""
        if not isinstance(given, LocatedDict):
            return
        found: list[dict[str, str]] = [dict(given)]
        try:
            if "holidays" in given:
                found = holidays_of(given["holidays"])
            elif "csv" in given:
                found = list(csv.DictReader(io.StringIO(self._sources.read(given["csv"]), newline="")))
        except WxaSpecError as error:
            self._say(given, problem_at(name, Text("list", each=list(error.problems))))
            return
        for each in found:
            try:
                end = dt.date.fromisoformat(each["to"]) + dt.timedelta(days=1)
                is_right = dt.date.fromisoformat(each["from"]) < end
            except (KeyError, TypeError, ValueError, OverflowError):
                is_right = False
            if is_right:
                yield each
            else:
                odd = Text("days_are_odd", start=repr(each.get("from")), end=repr(each.get("to")))
                self._say(given, problem_at(name, odd))

    # Mini Programs -----------------------------------------------------------------------------------------------

    def _app_entries(self, apps: Any) -> Iterator[LocatedDict]:
        if isinstance(apps, LocatedList):
            for entry, line in zip(apps, apps.lines, strict=True):
                yield entry if isinstance(entry, LocatedDict) else LocatedDict(line, appid=entry)
        elif isinstance(apps, LocatedDict) and isinstance(apps.get("csv"), str):
            yield from self._csv_entries(apps)
        elif isinstance(apps, LocatedDict) and apps.get("authorised") is True:
            excluded = apps.get("exclude") or ()
            for appid in self._sources.authorised():
                if appid not in excluded:
                    yield LocatedDict(apps.line, appid=appid)

    def _csv_entries(self, apps: LocatedDict) -> Iterator[LocatedDict]:
        file = apps["csv"]
        try:
            text = self._sources.read(file)
        except WxaSpecError as error:
            self._say(apps, problem("apps.csv", file, Text("list", each=list(error.problems))), "csv")
            return
        rows, first = csv.DictReader(io.StringIO(text, newline=""), strict=True), LocatedDict(1, file)
        names = [each.strip() for each in rows.fieldnames or ()]
        if unknown := [each for each in names if each not in self._fields]:
            self._say(first, Text("list", each=[_unknown(each, self._fields) for each in unknown]))
        if "appid" not in names:
            self._say(first, Text("csv_has_no_appid"))
        if twice := sorted({each for each in names if names.count(each) > 1}):
            self._say(first, Text("csv_has_columns_twice", names=", ".join(twice)))
        if unknown or twice or "appid" not in names:
            return
        try:
            for row in rows:
                entry = LocatedDict(rows.line_num, file)
                if None in row or None in row.values():
                    self._say(entry, Text("csv_row_has_other_length", wanted=len(names)))
                else:
                    self._fill(entry, zip(names, row.values(), strict=True))
                    yield entry
        except csv.Error as error:
            self._say(LocatedDict(rows.line_num, file), Text("file_is_no", kind="CSV", why=str(error)))

    def _fill(self, entry: LocatedDict, cells: Iterable[tuple[str, str]]) -> None:
        """Take each cell of a row as the type of its field; an empty cell gives nothing."""
        for name, text in cells:
            value, ok = read_cell(name, text.strip())
            if text.strip() and ok:
                entry[name] = value
            elif text.strip():
                self._say(entry, f"{name} = {shown(repr(text))}: must be {FIELDS[name].must}, as JSON")

    def _checked(self, release: LocatedDict, entries: Iterator[LocatedDict]) -> Iterator[App]:
        """Yield the Mini Programs; note what is wrong with them."""
        lines: dict[str, int] = {}
        for entry in entries:
            appid = entry.pop("appid", None)
            if not isinstance(appid, str) or not APPID.fullmatch(appid):
                self._say(entry, f"appid = {shown(repr(appid))}: must be {FIELDS['appid'].must}", "appid")
            elif appid in lines:
                self._say(entry, problem("appid", appid, Text("value_stands_twice", line=lines[appid])))
            else:
                lines[appid] = entry.line
                self._check_app(release, appid, entry)
                kept = _OF_ROLLBACK if self._rolls_back else entry.keys() - self._fixed.keys()
                yield App(appid, {name: _plain(each) for name, each in entry.items() if name in kept})

    def _check_app(self, release: LocatedDict, appid: str, entry: LocatedDict) -> None:
        for name in entry:
            if name not in self._fields or entry[name] != self._fixed.get(name, entry[name]):
                self._say(entry, self._misplaced(name), name)
        if self._rolls_back:
            version = entry.get("app_version", "")
            if isinstance(version, bool) or not re.fullmatch("[0-9]*", str(version)):
                text = f"app_version = {shown(repr(version))}: must be digits, from WeChat's list of earlier versions"
                self._say(entry, text, "app_version")
            return
        asked = {name: value for name, value in {**release, **entry}.items() if name in RELEASE_FIELDS}
        asked |= {**self._fixed, "appid": appid}
        # What the platform's list gets is what these need; others do not come to it.
        adds = asked.get("domain_action", FIELDS["domain_action"].default) in ("add", "set")
        adds = adds and asked.get("domain_mode") != "direct"
        self._adds = self._adds or adds
        for wrong in read_release({**(self._platform if adds else {}), **asked})[1]:
            name = re.split(r"[ .:]", wrong, maxsplit=1)[0]
            is_unquoted = isinstance(asked.get(name), int | float) and name == "user_version"
            said = Text("write_it_in_quotes", problem=wrong) if is_unquoted else wrong
            if name in entry:
                self._say(entry, said, name)
            elif name in self._platform:
                self._say(self._platform, Text("problem_below", place="platform", problem=said), name)
            else:
                self._say(release, Text("problem_below", place="release", problem=said), name)

    def _misplaced(self, name: str) -> str:
        if name in self._fixed:
            return problem_at(name, Text("manifest_has", "decided"))
        return _unknown(name, self._fields)

    def _say(self, where: LocatedDict, text: str, name: str = "") -> None:
        """Note what is wrong with a mapping, or with one of its fields."""
        self.problems[Problem(where.file or self._file, where.lines.get(name, where.line), text)] = None


def _inside(document: LocatedDict, name: str) -> LocatedDict:
    """Return a mapping in a document; an empty one where there is none."""
    found = document.get(name)
    return found if isinstance(found, LocatedDict) else LocatedDict(document.line)


def _unknown(name: str, known: Sequence[str]) -> str:
    """Return what is wrong with a name that has no place here."""
    if name in FIELDS and FIELDS[name].of_run:
        return problem_at(name, Text("manifest_has", "other_place"))
    close = get_close_matches(name, known, 1)
    hint = Text("did_you_mean", close=close[0]) if close else Text("known_fields_are", names=", ".join(known))
    return problem_at(shown(repr(name)), Text("field_is_unknown", hint=hint))


def read_cell(name: str, text: str) -> tuple[Any, bool]:
    """Return the value that a cell of CSV stands for, and whether it stands for one."""
    types = FIELDS[name].schema.get("type", "string") if name in FIELDS else "string"
    types = {types} if isinstance(types, str) else set(types)
    if "array" in types and not text.startswith("["):
        return [each for each in text.replace(";", " ").split() if each], True
    if "string" in types:
        return text, True
    try:
        return json.loads(text), True
    except ValueError:
        return None, False


def _shape_problems(error: Any, document: LocatedDict) -> Iterator[tuple[int, str]]:
    """Yield line and text of the schema's findings."""
    path = list(error.absolute_path)
    line, lines = _place(document, path)
    name = ".".join(map(str, path))
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for each in error.instance:
            if each not in known:
                wrong = _unknown(each, known)
                yield lines.get(each, line), Text("problem_below", place=name, problem=wrong) if name else wrong
    elif error.validator == "required":
        names = ", ".join(each for each in error.validator_value if each not in error.instance)
        missing = Text("names_are_missing", names=names)
        yield line, problem_at(name, missing) if name else missing
    else:
        must = error.schema.get("description") or _of_schema(error)
        field = FIELDS.get(str(path[-1])) if path else None
        if field is not None and must == field.help:  # of a field of a release: its help is no rule
            must = field.must
        yield line, f"{name} = {shown(repr(error.instance))}: must be {must[:1].lower()}{must[1:]}"


def _of_schema(error: Any) -> str:
    """Return the rule that a value has broken whose schema has no description."""
    if error.validator == "enum":
        return f"one of {', '.join(error.validator_value)}"
    return {"string": "a text", "object": "an object"}.get(str(error.validator_value)) or str(error.message)


def _place(document: LocatedDict, path: Sequence[Any]) -> tuple[int, Mapping[str, int]]:
    """Return the line of the value at a path, and the lines of its fields."""
    line, here = document.line, document
    for key in path:
        if isinstance(here, LocatedDict):
            line = here.lines.get(key, line)
        elif isinstance(here, LocatedList):
            line = here.lines[key]
        here = here[key]
    return line, here.lines if isinstance(here, LocatedDict) else {}


def _plain(value: Any) -> Any:
    """Return the value without lines."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (takes long to import)

    return Draft202012Validator(packaged_schema())

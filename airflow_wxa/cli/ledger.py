"""``airflow wxa ledger``: every write to WeChat and its author; shown, erased. ``db migrate``: the store's schema."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import csv_cell
from airflow_wxa.cli.opening import STDIN, command, is_structured, print_rows, write_csv
from airflow_wxa.cli.terminal import say
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_ledger, store_url
from airflow_wxa.store.engine import migrate
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_wxa.store import Entry, Ledger

_ROWS_OF_A_TABLE: Final = 50
_MOST_ROWS: Final = 2**31  # no database takes any number
_NOT_WITH_ERASE: Final = ("run_id", "component_appid", "most", "json", "csv")


@command
def ledger(arguments: argparse.Namespace) -> int:
    """Show, export or erase; 1 when the question before erasing was not answered with yes."""
    if problems := _option_problems(arguments):
        raise WxaSpecError(Text("ledger_is_unchanged"), problems)
    opened = open_ledger()
    if arguments.erase:
        return _erase(opened, arguments)
    is_export = is_structured(arguments.output) or arguments.csv
    entries = opened.entries(
        component_appid=arguments.component_appid,
        appid=arguments.appid,
        run_id=arguments.run_id,
        most=min(arguments.most or 0, _MOST_ROWS) or (None if is_export else _ROWS_OF_A_TABLE),
    )
    if arguments.csv:
        _write_csv(entries, arguments.csv)
    elif is_export:
        print_rows([_as_json(entry) for entry in entries], arguments.output)
    elif entries:
        print_rows([_as_text(entry) for entry in entries], arguments.output)
    else:
        say(Text("ledger_has_no_such_row"))
    return 0


def _option_problems(arguments: argparse.Namespace) -> list[Text]:
    """Return why the options do not go together, a line each."""
    if not arguments.erase:
        given = {"--older-than": arguments.older_than is not None, "--yes": arguments.yes}
        problems = [Text("option_goes_with_erase", option=option) for option, is_so in given.items() if is_so]
        both = [Text("one_of_options", one="--json", other="--csv")] if arguments.json and arguments.csv else []
        return problems + both
    options = [f"--{name.replace('_', '-')}" for name in _NOT_WITH_ERASE if getattr(arguments, name)]
    problems = [Text("option_goes_not_with_erase", option=option) for option in options]
    if arguments.older_than is None and arguments.appid is None:
        problems.append(Text("erase_needs_more"))
    return problems


def _erase(opened: Ledger, arguments: argparse.Namespace) -> int:
    """Erase after a question, which ``--yes`` answers."""
    age = "" if arguments.older_than is None else Text("older_than", days=f"{arguments.older_than:g}")
    which = {"whose": arguments.appid or Text("all_mini_programs"), "age": age}
    if not arguments.yes:
        say(Text("erase_question", **which))
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            say(Text("nothing_was_erased"))
            return 1
    rows = opened.erase(older_than_days=arguments.older_than, appid=arguments.appid)
    say(Text("rows_were_erased", count=rows, **which), to_stdout=True)
    return 0


def _as_json(entry: Entry) -> dict[str, Any]:
    """Return a row as JSON values; times are ISO 8601, UTC."""
    values: dict[str, Any] = asdict(entry)
    long = {name: values.pop(name) for name in ("before", "asked", "after")}  # behind the others
    task: dict[str, Any] = values.pop("task")
    for name in ("sent_at", "answered_at"):
        values[name] = None if values[name] is None else _iso(values[name])
    return values | task | long


def _as_text(entry: Entry) -> dict[str, Any]:
    """Return a row as people read it: the person who decided, or triggered the run; and the step's outcome."""
    after = entry.after if isinstance(entry.after, dict) else {}
    result = Text("resolved_by", run=entry.resolved_by) if entry.result == "resolved" else entry.result
    came_to = after.get("outcome")
    return {
        "time (UTC)": _iso(entry.sent_at)[:19].replace("T", " "),
        "who": after.get("by") or entry.task.triggered_by,
        "run": entry.task.run_id or Text("by_hand"),
        "task": entry.task.task_id,
        "Mini Program": entry.appid or Text("platform_list_in_brackets"),
        "call": entry.endpoint,
        "errcode": entry.errcode,
        "result": f"{result}: {came_to}" if came_to and entry.result != "resolved" else result,
    }


def _write_csv(entries: Sequence[Entry], target: str) -> None:
    """Write rows as CSV, every text quoted; ``-`` is standard output."""
    rows = [_as_json(entry) for entry in entries]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(rows[0] if rows else ())
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    write_csv(target, [text.getvalue()])
    if target != STDIN:
        say(Text("rows_are_in", count=len(rows), target=target))


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def _cell(value: Any) -> Any:
    is_plain = value is None or isinstance(value, int | str)
    return csv_cell(value if is_plain else json.dumps(value, ensure_ascii=False))


@command
def migrate_store(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (it takes none)
    """Migrate, and print both revisions."""
    before, after = migrate(Secret(store_url()))
    key = {"": "store_was_created", after: "store_is_up_to_date"}.get(before, "store_was_migrated")
    say(Text(key, before=before, after=after), to_stdout=True)
    return 0

"""``airflow wxa ledger``: who asked WeChat to change what; shown, exported, erased."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_wxa.cli.opening import STDIN, explained, say
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_ledger

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_wxa.store import Entry, Ledger

_ROWS_OF_A_TABLE: Final = 50
_WIDTH_OF_A_PIPE: Final = 200
_STYLES: Final = {"ok": "green", "refused": "red", "unknown": "yellow", "resolved": "dim"}
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")


@explained
def run(arguments: argparse.Namespace) -> int:
    """Show, export or erase.

    :return: 0; 1 when the question before erasing was not answered with yes.
    :raises WxaSpecError: options that do not go together.
    """
    if problems := option_problems(arguments):
        raise WxaSpecError(
            "the ledger was left as it is",
            problems,
            next_step="name what to show, or what to erase",
            source="airflow-wxa docs ledger",
        )
    ledger = open_ledger()
    if arguments.erase:
        return erase(ledger, arguments)
    is_export = arguments.json or arguments.csv
    entries = ledger.entries(
        component_appid=arguments.component_appid,
        appid=arguments.appid,
        run_id=arguments.run_id,
        most=arguments.most or (None if is_export else _ROWS_OF_A_TABLE),
    )
    if arguments.csv:
        write_csv(entries, arguments.csv)
    elif arguments.json:
        sys.stdout.write(json.dumps([as_json(entry) for entry in entries], ensure_ascii=False, indent=2) + "\n")
    else:
        # At a terminal the long columns fold; in a pipe nothing knows how wide the end is.
        show(entries, Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE))
    return 0


def option_problems(arguments: argparse.Namespace) -> list[str]:
    """Return why the options do not go together, a line each."""
    problems = []
    if arguments.json and arguments.csv:
        problems.append("--json and --csv: one of them")
    if not arguments.erase:
        problems += ["--older-than: goes with --erase"] if arguments.older_than is not None else []
        problems += ["--yes: goes with --erase"] if arguments.yes else []
        return problems
    for name in ("run_id", "component_appid", "most", "json", "csv"):
        if getattr(arguments, name):
            problems.append(f"--{name.replace('_', '-')}: does not go with --erase")
    if arguments.older_than is None and arguments.appid is None:
        problems.append("--erase: needs --older-than or --appid; --older-than 0 is everything")
    return problems


def erase(ledger: Ledger, arguments: argparse.Namespace) -> int:
    """Erase after a question, which ``--yes`` answers."""
    age = "" if arguments.older_than is None else f" older than {arguments.older_than:g} days"
    whose = "all Mini Programs" if arguments.appid is None else arguments.appid
    if not arguments.yes:
        say(f"Erase rows and outcomes of {whose}{age}? They cannot be brought back. [y/N] ")
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            say("nothing was erased")
            return 1
    rows = ledger.erase(older_than_days=arguments.older_than, appid=arguments.appid)
    Console().print(f"{rows} rows of {whose}{age} were erased", markup=False, highlight=False)
    return 0


def as_json(entry: Entry) -> dict[str, Any]:
    """Return a row as JSON values; times are ISO 8601, UTC."""
    return {
        "id": entry.id,
        "sent_at": _iso(entry.sent_at),
        "answered_at": None if entry.answered_at is None else _iso(entry.answered_at),
        "component_appid": entry.component_appid,
        "appid": entry.appid,
        "endpoint": entry.endpoint,
        "result": entry.result,
        "errcode": entry.errcode,
        "errmsg": entry.errmsg,
        "rid": entry.rid,
        "dag_id": entry.task.dag_id,
        "run_id": entry.task.run_id,
        "task_id": entry.task.task_id,
        "map_index": entry.task.map_index,
        "try_number": entry.task.try_number,
        "triggered_by": entry.task.triggered_by,
        "resolved_by": entry.resolved_by,
        "before": entry.before,
        "asked": entry.asked,
        "after": entry.after,
    }


def write_csv(entries: Sequence[Entry], target: str) -> None:
    """Write rows as CSV; ``-`` is standard output.

    :raises WxaSpecError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = list(as_json(entries[0])) if entries else []
    writer.writerow(names)
    writer.writerows([[_cell(value) for value in as_json(entry).values()] for entry in entries])
    if target == STDIN:
        sys.stdout.write(text.getvalue())
        return
    try:
        Path(target).write_text(text.getvalue(), "utf-8")
    except OSError as error:
        raise WxaSpecError(f"{target} cannot be written", [f"{error.strerror}"], next_step="name a file") from None
    say(f"{len(entries)} rows in {target}")


def show(entries: Sequence[Entry], console: Console) -> None:
    """Print rows as a table, the newest first."""
    if not entries:
        console.print("The ledger holds no such row.", markup=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("time (UTC)", "who", "run", "task", "Mini Program", "call", "errcode", "result"):
        table.add_column(
            header,
            overflow="fold",
            no_wrap=header in {"time (UTC)", "Mini Program", "errcode"},
            justify="right" if header == "errcode" else "left",
        )
    for entry in entries:
        cells = (
            _iso(entry.sent_at)[:19].replace("T", " "),
            _who(entry),
            entry.task.run_id or "by hand",
            entry.task.task_id,
            entry.appid or "(platform list)",
            entry.endpoint,
            "" if entry.errcode is None else str(entry.errcode),
        )
        # Text, because a name in brackets would be taken for markup.
        table.add_row(*(Text(cell) for cell in cells), Text(_result(entry), style=_STYLES[entry.result]))
    console.print(table)


def _who(entry: Entry) -> str:
    """Return who decided, or who triggered the run."""
    decided = entry.after.get("by") if isinstance(entry.after, dict) else None
    return str(decided or entry.task.triggered_by or "")


def _result(entry: Entry) -> str:
    """Return the row's own result, and what the step came to."""
    if entry.result == "resolved":
        return f"resolved by {entry.resolved_by}"
    came_to = entry.after.get("outcome") if isinstance(entry.after, dict) else None
    return f"{entry.result}: {came_to}" if came_to else entry.result


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def _cell(value: Any) -> Any:
    """Return a value as a cell; a text that a spreadsheet would take for a formula is quoted."""
    if value is None or isinstance(value, int):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text

"""``airflow wxa doctor``: open the Connection, let the rules look, print what they say."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_wxa.cli.doctor.examination import Examination, examined
from airflow_wxa.cli.doctor.finding import Level
from airflow_wxa.cli.doctor.patient import Patient
from airflow_wxa.cli.doctor.rules import RULES
from airflow_wxa.cli.opening import explained, open_connection
from airflow_wxa.hooks.store import open_store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from airflow_wxa.cli.doctor.finding import Rule

_STYLES: Final = {Level.ERROR: "red", Level.WARNING: "yellow"}


@explained
def run(arguments: argparse.Namespace) -> int:
    """Look at everything.

    :return: 0 when nothing of level error was found, else 1.
    """
    with Patient(open_connection(arguments.wxa_conn_id), open_store, arguments.appid) as patient:
        examination = examined(patient, RULES)
    if arguments.json:
        told = {"wxa_conn_id": arguments.wxa_conn_id, **examination.to_json()}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        show(examination, Console(highlight=False))
    return examination.exit_code


def show(examination: Examination, console: Console) -> None:
    """Print the findings as a table, then what is fine, then what could not be looked at."""
    if examination.findings:
        console.print(_table(examination))
    for title, style, lines in (
        ("Fine", "green", [", ".join(each.name for each in examination.fine)]),
        ("Not looked at", "dim", _by_reason(examination.not_looked_at)),
    ):
        if any(lines):
            console.print(_listed(title, style, lines))
    errors = sum(each.level is Level.ERROR for each in examination.findings)
    warnings = len(examination.findings) - errors
    verdict = f"errors: {errors}, warnings: {warnings}" if examination.findings else "nothing found"
    console.print(f"\n{verdict}", style="bold red" if errors else "bold yellow" if warnings else "bold green")


def _table(examination: Examination) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True, header_style="dim", expand=True)
    table.add_column("rule", no_wrap=True)
    table.add_column("level", no_wrap=True)
    table.add_column("what, and which", ratio=1, overflow="fold")
    table.add_column("how to mend it", ratio=1, overflow="fold")
    for each in examination.findings:
        level = Text(each.level.value, _STYLES[each.level])
        what = Text.assemble(each.what, "\n", (each.which, "dim")) if each.which else Text(each.what)
        table.add_row(each.rule, level, what, Text(each.fix))
    return table


def _listed(title: str, style: str, lines: list[str]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style=style, min_width=len("Not looked at"))
    table.add_column(overflow="fold", style="dim" if style == "dim" else "")
    for number, line in enumerate(lines):
        table.add_row("" if number else title, Text(line))
    return table


def _by_reason(not_looked_at: Mapping[Rule, str]) -> list[str]:
    """Return a line for each reason: it, and the rules that it kept from looking."""
    names: dict[str, list[str]] = {}
    for each, reason in not_looked_at.items():
        names.setdefault(reason, []).append(each.name)
    return [f"{', '.join(those)}: {reason}" for reason, those in names.items()]

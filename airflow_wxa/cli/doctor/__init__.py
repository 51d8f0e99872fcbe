"""``airflow wxa doctor``: rules that look at everything a release depends on, and say how to mend it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_wxa.cli.doctor.facts import Facts
from airflow_wxa.cli.doctor.rules import Report, judge
from airflow_wxa.cli.opening import check_appids, command, is_structured, open_connection, print_rows, print_value
from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.hooks.store import open_store
from airflow_wxa.texts.setting import as_set, phrase

if TYPE_CHECKING:
    import argparse


@command
def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything; 1 when something of level error was found."""
    check_appids(arguments.appid)
    with closing(Facts(open_connection(arguments.wxa_conn_id), open_store, arguments.appid)) as facts:
        report = judge(facts)
    told = {"wxa_conn_id": arguments.wxa_conn_id, **to_json(report)}
    if is_structured(arguments.output):
        print_value(told, arguments.output)
        return report.exit_code
    if report.findings:
        print_rows(told["findings"], arguments.output)
    _print_rest(report, Terminal(highlight=False))
    return report.exit_code


def to_json(report: Report) -> dict[str, Any]:
    """Return everything as JSON values."""
    return {
        "findings": [
            {
                "rule": rule.key,
                "level": rule.level,
                "what": as_set(found.what),
                "which": as_set(found.which),
                "fix": as_set(found.fix),
            }
            for rule, found in report.findings
        ],
        "looked_at": [each.key for each in report.fine],
        "not_looked_at": [
            {"rule": each.key, "reason": as_set(reason)} for each, reason in report.not_looked_at.items()
        ],
    }


def _print_rest(report: Report, console: Terminal) -> None:
    """Print the rules that hold, those that could not look, by reason, and the verdict."""
    console.print(f"[green]{phrase('doctor_fine')}[/]: {', '.join(as_set(each.name) for each in report.fine) or '-'}")
    names: dict[str, list[str]] = {}
    for each, reason in report.not_looked_at.items():
        names.setdefault(as_set(reason), []).append(as_set(each.name))
    for reason, those in names.items():
        console.print(phrase("doctor_not_looked_at", those=", ".join(those), reason=reason), style="dim", markup=False)
    errors = sum(rule.level == "error" for rule, _ in report.findings)
    warnings = len(report.findings) - errors
    verdict = phrase("doctor_counts", errors=errors, warnings=warnings) if report.findings else phrase("nothing_found")
    console.print(f"\n{verdict}", style="bold red" if errors else "bold yellow" if warnings else "bold green")

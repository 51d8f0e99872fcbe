"""What the demo prints at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from airflow_wxa.cli.demo.journal import (
    PLATFORM_REQUESTS,
    merchant_requests,
    order_problems,
    platform_requests,
    token_problems,
)
from airflow_wxa.cli.demo.ledger import ledger_problems
from airflow_wxa.cli.demo.progress import STYLES
from airflow_wxa.cli.demo.tickets import taken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from airflow_wxa import sandbox, store
    from airflow_wxa.cli.demo.endings import Row
    from airflow_wxa.cli.demo.stories import Story
    from airflow_wxa.sandbox.pushes import Delivery

TITLE: Final = "Six releases, as Airflow tells them"
WIDE: Final = 92


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All rows, what the sandbox wrote down, and what the provider did.

    :param journal: every call, oldest first.
    :param deliveries: what became of every push, oldest first.
    :param ledger: the provider's own account of its writes, oldest first.
    :param seconds: from the start of the demo to the last row.
    """

    rows: Sequence[Row]
    journal: Sequence[sandbox.Entry]
    deliveries: Sequence[Delivery]
    ledger: Sequence[store.Entry]
    seconds: float

    @property
    def stories(self) -> list[Story]:
        """What was to come of each row."""
        return [row.story for row in self.rows]

    @property
    def ticket_problems(self) -> list[str]:
        """Which platform's ticket was not taken, and whose token was not asked for exactly once."""
        tickets = {component_appid: taken(self.deliveries, component_appid) for component_appid in PLATFORM_REQUESTS}
        missing = [f"{component_appid}: no ticket was taken" for component_appid, times in tickets.items() if not times]
        return missing + token_problems(self.journal, self.stories)

    @property
    def order_problems(self) -> list[str]:
        """What is wrong with the order of calls."""
        return order_problems(self.journal, self.stories)

    @property
    def ledger_problems(self) -> list[str]:
        """What is wrong with the ledger."""
        return ledger_problems(self.ledger, self.stories)

    @property
    def exit_code(self) -> int:
        """0 exactly when every row ended as it must, and tickets, calls and ledger are as they must be."""
        problems = self.ticket_problems + self.order_problems + self.ledger_problems
        return int(bool(problems) or any(row.differences for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, without any token."""
        return {
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "rows": [row.to_json() for row in self.rows],
            "ticket_problems": self.ticket_problems,
            "order_problems": self.order_problems,
            "ledger_problems": self.ledger_problems,
            "journal": [entry.to_json() for entry in self.journal],
            "deliveries": [delivery.to_json() for delivery in self.deliveries],
        }


def show(report: Report, console: Console) -> None:
    """Print the table, what the failed tasks say, what holds besides, and what is not as it must be."""
    console.print(table(report.rows, console.width))
    for row in report.rows:
        if row.error:
            _show_error(row, console)
    _show_checks(report, console)
    _show_differences(report, console)


def table(rows: Sequence[Row], width: int) -> Table:
    """Return the rows as they are shown.

    :param width: columns of the terminal; a narrow one leaves the next step to the error texts below the table.
    """
    shown = Table(title=TITLE, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("Mini Program", no_wrap=True)
    shown.add_column("Road taken", min_width=12, max_width=12)
    shown.add_column("Outcome", min_width=17, max_width=17)
    shown.add_column("Errcode", justify="right", no_wrap=True)
    if width >= WIDE:
        shown.add_column("Next step", overflow="fold")
    shown.add_column("Run", no_wrap=True)
    for row in rows:
        seen = row.seen
        shown.add_row(
            Text.assemble(row.story.appid, "\n", (row.story.word, "bold")),
            Text("\n→ ".join(word.replace("_", " ") for word in seen.road) or "none"),
            Text(seen.outcome, STYLES.get(seen.run_state, "")),
            Text("none" if seen.errcode is None else str(seen.errcode)),
            *([Text(seen.next_step)] if width >= WIDE else []),
            Text(seen.run_state, STYLES.get(seen.run_state, "")),
        )
    return shown


def _show_error(row: Row, console: Console) -> None:
    console.print(Text.assemble((row.story.word, "bold"), " stopped; its task says:"))
    for line in row.error.splitlines():
        if "://" in line:  # an address that is broken into lines can be neither clicked nor copied
            console.print(Text(f"  {line}", "dim"), soft_wrap=True)
        else:
            console.print(Padding(Text(line.strip(), "dim"), (0, 0, 0, 4 if line.startswith(" ") else 2)))
    console.print()


def _show_checks(report: Report, console: Console) -> None:
    merchants = sum(merchant_requests(report.journal, story.appid) for story in report.stories)
    platforms = sum(platform_requests(report.journal, component_appid) for component_appid in PLATFORM_REQUESTS)
    tickets = (
        "Tickets: pushed encrypted, accepted by the receiver in Airflow's API server; for each platform one "
        f"api_component_token ({platforms}), for each Mini Program one api_authorizer_token ({merchants})."
    )
    order = (
        "The sandbox's journal: setwebviewdomain before commit before submit_audit before release, for each; "
        "none came further than it may."
    )
    ledger = (
        "The provider's ledger: one accepted submit_audit and one accepted release for each released Mini Program, "
        "no other release."
    )
    _show_check(console, tickets, "tickets and tokens", report.ticket_problems)
    _show_check(console, order, "order of calls", report.order_problems)
    _show_check(console, ledger, "ledger", report.ledger_problems)


def _show_check(console: Console, holds: str, about: str, problems: Sequence[str]) -> None:
    if not problems:
        console.print(f"[green]✓[/] {holds}", highlight=False)
    for problem in problems:
        console.print(Text(f"✗ {about}, {problem}", "red"))


def _show_differences(report: Report, console: Console) -> None:
    differing = [row for row in report.rows if row.differences]
    for row in differing:
        console.print(Text(f"✗ {row.story.word} ({row.story.appid}) did not end as it must:", "red"))
        for difference in row.differences:
            console.print(Text(f"    {difference}"))
    ended = len(report.rows) - len(differing)
    mark = "[red]✗[/]" if differing else "[green]✓[/]"
    console.print(
        f"{mark} {ended} of {len(report.rows)} ended as written down, in {report.seconds:.0f} s.", highlight=False
    )

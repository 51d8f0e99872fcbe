"""What the demo prints at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from airflow_wxa.cli.demo.journal import order_problems
from airflow_wxa.cli.demo.progress import STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from airflow_wxa.cli.demo.endings import Row
    from airflow_wxa.sandbox import Entry

TITLE: Final = "Six releases, as Airflow tells them"
WIDE: Final = 92


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All rows, and the journal of the sandbox.

    :param seconds: from the start of the demo to the last row.
    """

    rows: Sequence[Row]
    journal: Sequence[Entry]
    seconds: float

    @property
    def order_problems(self) -> list[str]:
        """What is wrong with the order of calls."""
        return order_problems(self.journal, [row.story for row in self.rows])

    @property
    def exit_code(self) -> int:
        """0 exactly when every row ended as it must, and the calls came in their order."""
        return int(bool(self.order_problems) or any(row.differences for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, without any token."""
        return {
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "rows": [row.to_json() for row in self.rows],
            "order_problems": self.order_problems,
            "journal": [entry.to_json() for entry in self.journal],
        }


def show(report: Report, console: Console) -> None:
    """Print the table, what the failed tasks say, the order of calls, and what is not as it must be."""
    console.print(table(report.rows, console.width))
    for row in report.rows:
        if row.error:
            _show_error(row, console)
    _show_order(report, console)
    _show_differences(report, console)


def table(rows: Sequence[Row], width: int) -> Table:
    """Return the rows as they are shown.

    :param width: columns of the terminal; a narrow one leaves the next step to the error texts below the table.
    """
    shown = Table(title=TITLE, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("Mini Program", no_wrap=True)
    shown.add_column("Road taken", min_width=12)
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


def _show_order(report: Report, console: Console) -> None:
    if not report.order_problems:
        console.print(
            "[green]✓[/] The sandbox's journal: setwebviewdomain before commit before submit_audit before release, "
            "for each; none came further than it may.",
            highlight=False,
        )
    for problem in report.order_problems:
        console.print(Text(f"✗ order of calls, {problem}", "red"))


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

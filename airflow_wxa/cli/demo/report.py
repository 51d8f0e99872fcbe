"""Ends of the demo's runs, read back from Airflow; their differences from the expected ends; and the printed report."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from airflow_wxa.cli.demo.airflow import PATIENCE
from airflow_wxa.cli.demo.releases import CALLS, CONNECTIONS, DAG_ID, FINAL, RELEASES, in_order
from airflow_wxa.sandbox.pushes import TICKET
from airflow_wxa.texts import in_language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from airflow_wxa import sandbox, store
    from airflow_wxa.cli.demo.airflow import AirflowApi
    from airflow_wxa.cli.demo.releases import DemoRelease
    from airflow_wxa.sandbox.pushes import Delivery

_DOMAIN_TASKS: Final = ("configure_domains", "register_platform_domains", "configure_domains_again")
_ONCE: Final = ("submit_audit", "release")
_TOKENS: Final = ("api_component_token", "api_authorizer_token")
_TAKEN: Final = (TICKET, 200, "success")
_WIDE: Final = 92
OUT_OF_TIME: Final = 3
_STYLES: Final = {"success": "green", "failed": "red"}
_CHECKS: Final = {
    "tickets and tokens": (
        "Tickets: pushed encrypted, accepted by the receiver in Airflow's API server; for each platform one "
        f"api_component_token ({len(CONNECTIONS)}), for each Mini Program one api_authorizer_token ({len(RELEASES)})."
    ),
    "order of calls": (
        "The sandbox's journal: setwebviewdomain before commit before submit_audit before release, for each; "
        "none came further than it may."
    ),
    "ledger": (
        "The provider's ledger: one accepted submit_audit and one accepted release for each released Mini Program, "
        "no other release."
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One Mini Program of the demo.

    :param seen: its end, as :attr:`~airflow_wxa.cli.demo.releases.DemoRelease.must_be` says the expected one.
    :param error: the whole text that the failed task ended with; empty when none failed.
    """

    release: DemoRelease
    seen: dict[str, Any]
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the run ended, well or not, before the time was over."""
        return self.seen["run_state"] in FINAL

    @property
    def differences(self) -> list[str]:
        """Differences from the expected end, a line each."""
        must = _flat(self.release.must_be)
        seen = _flat(self.seen)
        if must["next_step"] in str(seen["next_step"]):
            must["next_step"] = seen["next_step"]
        names = [name for name in must | seen if must.get(name) != seen.get(name)]
        return [f"{name} must be {must.get(name)}, is {seen.get(name)}" for name in names]

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {
            "story": self.release.word,
            "appid": self.release.appid,
            "seen": self.seen,
            "must_be": self.release.must_be,
            "error": self.error,
            "differences": self.differences,
        }


def read_row(api: AirflowApi, release: DemoRelease, *, run_state: str, effective: Sequence[str]) -> Row:
    """Read from Airflow how a run ended.

    :param run_state: the run's, which the caller has.
    :param effective: the domains that open at WeChat now, which Airflow cannot know of a run that stopped.
    """
    tasks = in_order(api.task_instances(DAG_ID, release.word))
    states = {task.task_id: task.state for task in tasks}

    def returned(task_id: str) -> Any:
        return api.xcom(DAG_ID, release.word, task_id) if states.get(task_id) == "success" else None

    domains = [outcome for outcome in map(returned, _DOMAIN_TASKS) if outcome]
    failed = next((task for task in tasks if task.state == "failed"), None)
    error = api.error_text(DAG_ID, release.word, failed) if failed else ""
    if failed:
        outcome = f"stopped at {failed.task_id}"
    else:
        outcome = (returned("verify_release") or {}).get("outcome", "not finished")
    named = re.search(r"\berrcode (-?\d+)", error)
    refused = int(named[1]) if named else None
    seen = {
        "road": [each["outcome"] for each in domains],
        "outcome": outcome,
        "errcode": domains[0].get("errcode") if domains else refused,
        "next_step": _next_step(error) if failed else outcome,
        "run_state": run_state,
        "task_states": states,
        "effective": sorted(effective),
    }
    return Row(release=release, seen=seen, error=error)


def _next_step(error: str) -> str:
    """Return the next step of an error's text: the last line before its Chinese twin, or before the source."""
    lines = [line.strip() for line in re.sub(r"\n {4,}", " ", error).splitlines()]  # what was wrapped stands further in
    twin = in_language(lines[0], "zh") if lines else None
    end = lines.index(twin) if twin in lines else len(lines) - 1
    return lines[end - 1] if end > 1 else "see the task's log"


def _flat(ending: dict[str, Any]) -> dict[str, Any]:
    """Return an ending with the state of each task beside the rest, and lists as people read them."""
    rest = {name: value for name, value in ending.items() if name != "task_states"}
    shown = {name: " → ".join(value) or "empty" if isinstance(value, list) else value for name, value in rest.items()}
    return shown | {f"task {task_id}": state for task_id, state in ending["task_states"].items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All rows, the sandbox's journal, and the provider's acts.

    :param journal: every call, oldest first.
    :param deliveries: fate of every push, oldest first.
    :param ledger: the provider's own account of its writes.
    :param seconds: from the start of the demo to the last row.
    :param patience: seconds that the runs had.
    """

    rows: Sequence[Row]
    journal: Sequence[sandbox.Entry]
    deliveries: Sequence[Delivery]
    ledger: Sequence[store.Entry]
    seconds: float
    patience: float = PATIENCE

    @property
    def problems(self) -> dict[str, list[str]]:
        """Checks besides the rows that do not hold, by their subject."""
        return {
            "tickets and tokens": self._ticket_problems(),
            "order of calls": self._order_problems(),
            "ledger": self._ledger_problems(),
        }

    @property
    def exit_code(self) -> int:
        """0 exactly when every row ended as it must, and tickets, calls and ledger are as they must be.

        3 when the time was over before every run had ended, and those that had are right.
        """
        if any(row.differences for row in self.rows if row.has_ended):
            return 1
        if not all(row.has_ended for row in self.rows):
            return OUT_OF_TIME
        return int(any(self.problems.values()))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, without any token."""
        tickets, order, ledger = self.problems.values()
        return {
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "rows": [row.to_json() for row in self.rows],
            "ticket_problems": tickets,
            "order_problems": order,
            "ledger_problems": ledger,
            "journal": [entry.to_json() for entry in self.journal],
            "deliveries": [delivery.to_json() for delivery in self.deliveries],
        }

    def _ticket_problems(self) -> list[str]:
        """Return whose ticket was not taken, and whose token was not asked for exactly once: it lives two hours."""
        taken = {each.appid for each in self.deliveries if (each.event, each.status, each.answer) == _TAKEN}
        paths = [(entry.path.rpartition("/")[2], entry.body or {}, entry.appid) for entry in self.journal]
        asked = Counter((name, body.get("authorizer_appid", appid)) for name, body, appid in paths if name in _TOKENS)
        once = [("api_component_token", platform) for platform in CONNECTIONS.values()]
        once += [("api_authorizer_token", row.release.appid) for row in self.rows]
        return [f"{platform}: no ticket was taken" for platform in CONNECTIONS.values() if platform not in taken] + [
            f"{appid}: {name} asked {asked[name, appid]} times; must be 1"
            for name, appid in once
            if asked[name, appid] != 1
        ]

    def _order_problems(self) -> list[str]:
        """Return whose calls came in another order, or further than they may: no commit after a refused domain."""
        problems = []
        for row in self.rows:
            names = [entry.path.rpartition("/")[2] for entry in self.journal if entry.appid == row.release.appid]
            called = tuple(dict.fromkeys(name for name in names if name in CALLS))
            if called != row.release.calls:
                must = " < ".join(row.release.calls)
                problems.append(f"{row.release.word}: called {' < '.join(called) or 'none'}; must be {must}")
        return problems

    def _ledger_problems(self) -> list[str]:
        """Return whose audits and releases that WeChat took do not stand in the ledger once."""
        problems = []
        for row in self.rows:
            of_it = [entry for entry in self.ledger if entry.appid == row.release.appid and entry.result == "ok"]
            noted = sorted(entry.endpoint for entry in of_it if entry.endpoint in _ONCE)
            must = sorted(call for call in row.release.calls if call in _ONCE)
            if noted != must:
                problems.append(f"{row.release.word}: holds {', '.join(noted) or 'none'}; must be {', '.join(must)}")
        return problems


def show(report: Report, console: Console) -> None:
    """Print the table, the words of the failed tasks, the further checks, and all that is not as expected."""
    console.print(_table(report.rows, console.width))
    for row in report.rows:
        if row.error:
            _show_error(row, console)
    for about, problems in report.problems.items():
        if not problems:
            console.print(f"[green]✓[/] {_CHECKS[about]}", highlight=False)
        for problem in problems if report.exit_code != OUT_OF_TIME else ():
            console.print(Text(f"✗ {about}, {problem}", "red"))
    unended = [row.release.word for row in report.rows if not row.has_ended]
    differing = [row for row in report.rows if row.differences and row.has_ended]
    if unended:
        ran_out = f"Out of time after {report.patience:.0f} s, nothing is known to be wrong: {', '.join(unended)}"
        more = f"had not ended. On a slow machine, give them more with --patience {report.patience * 2:.0f}."
        console.print(Text(f"… {ran_out} {more}", "yellow"))
    for row in differing:
        console.print(Text(f"✗ {row.release.word} ({row.release.appid}) did not end as it must:", "red"))
        console.print(Text("\n".join(f"    {difference}" for difference in row.differences)))
    ended = f"{len(report.rows) - len(differing) - len(unended)} of {len(report.rows)} ended as written down"
    mark = "[red]✗[/]" if differing else "[yellow]…[/]" if unended else "[green]✓[/]"
    console.print(f"{mark} {ended}, in {report.seconds:.0f} s.", highlight=False)


def _table(rows: Sequence[Row], width: int) -> Table:
    """Return the rows as they are shown; a narrow terminal leaves the next step to the error texts below the table."""
    shown = Table(
        title="Six releases, as Airflow tells them", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    shown.add_column("Mini Program", no_wrap=True)
    shown.add_column("Road taken", min_width=12, max_width=12)
    shown.add_column("Outcome", min_width=17, max_width=17)
    shown.add_column("Errcode", justify="right", no_wrap=True)
    if width >= _WIDE:
        shown.add_column("Next step", overflow="fold")
    shown.add_column("Run", no_wrap=True)
    for row in rows:
        seen, style = row.seen, _STYLES.get(row.seen["run_state"], "")
        shown.add_row(
            Text.assemble(row.release.appid, "\n", (row.release.word, "bold")),
            Text("\n→ ".join(word.replace("_", " ") for word in seen["road"]) or "none"),
            Text(seen["outcome"], style),
            Text("none" if seen["errcode"] is None else str(seen["errcode"])),
            *([Text(seen["next_step"])] if width >= _WIDE else []),
            Text(seen["run_state"], style),
        )
    return shown


def _show_error(row: Row, console: Console) -> None:
    console.print(Text.assemble((row.release.word, "bold"), " stopped; its task says:"))
    for line in row.error.splitlines():
        if "://" in line:  # an address that is broken into lines can be neither clicked nor copied
            console.print(Text(f"  {line}", "dim"), soft_wrap=True)
        else:
            indent = len(line) - len(line.lstrip()) + 2
            console.print(Padding(Text(line.strip(), "dim"), (0, 0, 0, indent)))
    console.print()

"""Ends of the demo's runs, read back from Airflow; their differences from the expected ends; and the printed report."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as RichText

from airflow_wxa.cli.demo.airflow import FINAL, PATIENCE
from airflow_wxa.cli.demo.releases import CALLS, CONNECTIONS, DAG_ID, RELEASES, in_order
from airflow_wxa.cli.terminal import header
from airflow_wxa.sandbox.pushes import TICKET
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

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
    def differences(self) -> list[Text]:
        """Differences from the expected end, a line each."""
        must, seen = _flat(self.release.must_be), _flat(self.seen)
        names = [name for name in must | seen if must.get(name) != seen.get(name)]
        return [Text("it_must_be", name=name, must=f"{must.get(name)}", seen=f"{seen.get(name)}") for name in names]

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
    named = re.search(r"\berrcode (-?\d+)", error)
    refused = int(named[1]) if named else None
    outcome = f"stopped at {failed.task_id}" if failed else (returned("verify_release") or {}).get("outcome", "none")
    seen = {
        "road": [each["outcome"] for each in domains],
        "outcome": outcome,
        "errcode": domains[0].get("errcode") if domains else refused,
        "next_step": _next_step(error, release.next_step) if failed else outcome,
        "run_state": run_state,
        "task_states": states,
        "effective": sorted(effective),
    }
    return Row(release=release, seen=seen, error=error)


def _next_step(error: str, expected: str) -> str:
    """Return the expected next step if an error names it, in the language that is set and however it is wrapped."""
    is_named = "".join(as_set(expected).split()) in "".join(error.split())
    return expected if is_named else Text("see_the_log")


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
    def problems(self) -> dict[str, list[Text]]:
        """Checks besides the rows that do not hold, by their subject."""
        return {
            "tickets": self._ticket_problems(),
            "order": self._order_problems(),
            "ledger": self._ledger_problems(),
        }

    @property
    def exit_code(self) -> int:
        """0: all as it must be; 3: the time was over first, and runs that had ended are right; else 1."""
        if any(row.differences for row in self.rows if row.has_ended):
            return 1
        if not all(row.has_ended for row in self.rows):
            return OUT_OF_TIME
        return int(any(self.problems.values()))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, without any token."""
        return {
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "rows": [row.to_json() for row in self.rows],
            **{f"{about.removesuffix('s')}_problems": problems for about, problems in self.problems.items()},
            "journal": [entry.to_json() for entry in self.journal],
            "deliveries": [asdict(delivery) for delivery in self.deliveries],
        }

    def _ticket_problems(self) -> list[Text]:
        """Return whose ticket was not taken, and whose token was not asked for exactly once: it lives two hours."""
        taken = {each.appid for each in self.deliveries if (each.event, each.status, each.answer) == _TAKEN}
        paths = [(entry.path.rpartition("/")[2], entry.body or {}, entry.appid) for entry in self.journal]
        asked = Counter((name, body.get("authorizer_appid", appid)) for name, body, appid in paths if name in _TOKENS)
        once = [("api_component_token", platform) for platform in CONNECTIONS.values()]
        once += [("api_authorizer_token", row.release.appid) for row in self.rows]
        missing = [Text("no_ticket_was_taken", platform=each) for each in CONNECTIONS.values() if each not in taken]
        return missing + [
            Text("token_was_asked_for", appid=appid, name=name, count=asked[name, appid])
            for name, appid in once
            if asked[name, appid] != 1
        ]

    def _order_problems(self) -> list[Text]:
        """Return whose calls came in another order, or further than they may: no commit after a refused domain."""
        problems = []
        for row in self.rows:
            names = [entry.path.rpartition("/")[2] for entry in self.journal if entry.appid == row.release.appid]
            called = tuple(dict.fromkeys(name for name in names if name in CALLS))
            if called != row.release.calls:
                must, seen = " < ".join(row.release.calls), " < ".join(called) or Text("none")
                problems.append(Text("calls_in_another_order", word=row.release.word, seen=seen, must=must))
        return problems

    def _ledger_problems(self) -> list[Text]:
        """Return whose audits and releases that WeChat took do not stand in the ledger once."""
        problems = []
        for row in self.rows:
            of_it = [entry for entry in self.ledger if entry.appid == row.release.appid and entry.result == "ok"]
            noted = sorted(entry.endpoint for entry in of_it if entry.endpoint in _ONCE)
            must = sorted(call for call in row.release.calls if call in _ONCE)
            if noted != must:
                seen = ", ".join(noted) or Text("none")
                problems.append(Text("ledger_holds_others", word=row.release.word, seen=seen, must=", ".join(must)))
        return problems


def show(report: Report, console: Console) -> None:
    """Print the table, the words of the failed tasks, the further checks, and all that is not as expected."""
    console.print(_table(report.rows, console.width))
    for row in report.rows:
        if row.error:
            _show_error(row, console)
    for about, problems in report.problems.items():
        if not problems:
            said = phrase(f"demo_check_{about}", platforms=len(CONNECTIONS), mini_programs=len(RELEASES))
            console.print(f"[green]✓[/] {said}", highlight=False)
        for problem in problems if report.exit_code != OUT_OF_TIME else ():
            console.print(RichText(f"✗ {as_set(problem)}", "red"))
    unended = [row.release.word for row in report.rows if not row.has_ended]
    differing = [row for row in report.rows if row.differences and row.has_ended]
    if unended:
        time = {"patience": f"{report.patience:.0f}", "more": f"{report.patience * 2:.0f}"}
        console.print(RichText(phrase("demo_is_out_of_time", words=", ".join(unended), **time), "yellow"))
    for row in differing:
        console.print(
            RichText(phrase("release_ended_otherwise", word=row.release.word, appid=row.release.appid), "red")
        )
        console.print(RichText("\n".join(f"    {as_set(difference)}" for difference in row.differences)))
    as_expected = len(report.rows) - len(differing) - len(unended)
    ended = phrase("so_many_as_expected", count=as_expected, of=len(report.rows), seconds=f"{report.seconds:.0f}")
    mark = "[red]✗[/]" if differing else "[yellow]…[/]" if unended else "[green]✓[/]"
    console.print(f"{mark} {ended}", highlight=False)


def _table(rows: Sequence[Row], width: int) -> Table:
    """Return the rows as they are shown; a narrow terminal leaves the next step to the error texts below the table."""
    shown = Table(title=phrase("six_releases"), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column(header("Mini Program"), no_wrap=True)
    shown.add_column(header("road"), min_width=12, max_width=12)
    shown.add_column(header("Outcome"), min_width=17, max_width=17)
    shown.add_column(header("Errcode"), justify="right", no_wrap=True)
    if width >= _WIDE:
        shown.add_column(header("Next step"), overflow="fold")
    shown.add_column(header("Run"), no_wrap=True)
    for row in rows:
        seen, style = row.seen, _STYLES.get(row.seen["run_state"], "")
        shown.add_row(
            RichText.assemble(row.release.appid, "\n", (row.release.word, "bold")),
            RichText("\n→ ".join(_word(word) for word in seen["road"]) or phrase("none")),
            RichText(_word(seen["outcome"]), style),
            RichText(phrase("none") if seen["errcode"] is None else str(seen["errcode"])),
            *([RichText(_word(seen["next_step"]))] if width >= _WIDE else []),
            RichText(seen["run_state"], style),
        )
    return shown


def _word(outcome: str) -> str:
    """Return an outcome or a next step, in the language that is set."""
    said, _, task_id = outcome.partition("stopped at ")
    return phrase("stopped_at", task_id=task_id) if task_id else as_set(Text("road", said) or outcome)


def _show_error(row: Row, console: Console) -> None:
    console.print(RichText.assemble((row.release.word, "bold"), phrase("release_stopped")))
    for line in row.error.splitlines():
        if "://" in line:  # an address that is broken into lines can be neither clicked nor copied
            console.print(RichText(f"  {line}", "dim"), soft_wrap=True)
        else:
            indent = len(line) - len(line.lstrip()) + 2
            console.print(Padding(RichText(line.strip(), "dim"), (0, 0, 0, indent)))
    console.print()

"""What is going on, while it goes on: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from rich.console import Console, RenderableType

    from airflow_wxa.cli.demo.stories import Story

STYLES: Final[Mapping[str, str]] = {
    "success": "green",
    "failed": "red",
    "deferred": "magenta",
    "awaiting_input": "yellow",
    "up_for_retry": "yellow",
    "running": "cyan",
}
UNEVENTFUL: Final = frozenset({"scheduled", "queued", "success"})


class Progress(Protocol):
    """Is told what happens."""

    def note(self, text: str) -> None:
        """Say something once."""

    def component(self, name: str, state: str) -> None:
        """Say that a component of Airflow is ``starting`` or ``up``."""

    def release(self, story: Story, task_id: str, state: str) -> None:
        """Say which task a run is at."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show no more."""


def progress_on(console: Console, stories: Sequence[Story]) -> Progress:
    """Return the picture for a terminal, and the lines for everything else."""
    return LiveProgress(console, stories) if console.is_terminal else PlainProgress(console)


class PlainProgress:
    """A line for each thing that happens, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        """Print it."""
        seconds = time.monotonic() - self._started
        self._console.print(f"{seconds:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def component(self, name: str, state: str) -> None:
        """Print it."""
        self.note(f"{name} {state}")

    def release(self, story: Story, task_id: str, state: str) -> None:
        """Print it, unless the task only waits for its turn or has ended well."""
        if state not in UNEVENTFUL:
            self.note(f"{story.word}: {task_id} {state}")

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


class LiveProgress:
    """One picture that changes: components above, runs below; gone when the result is printed."""

    def __init__(self, console: Console, stories: Sequence[Story]) -> None:
        self._started = time.monotonic()
        self._notes: list[str] = []
        self._components: dict[str, str] = {}
        self._releases: dict[str, tuple[str, str]] = {}
        self._stories = stories
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self.picture, refresh_per_second=8, transient=True)

    def note(self, text: str) -> None:
        """Show it above the rest."""
        self._notes.append(text)

    def component(self, name: str, state: str) -> None:
        """Mark it."""
        self._components[name] = state

    def release(self, story: Story, task_id: str, state: str) -> None:
        """Show it in the run's line."""
        self._releases[story.word] = (task_id, state)

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back, the picture wiped off."""
        self._live.stop()

    def picture(self) -> RenderableType:
        """Return what is to be seen now."""
        parts: list[RenderableType] = [Text(note) for note in self._notes]
        parts.append(self._headline())
        if self._components:
            marks = (_mark(name, state) for name, state in self._components.items())
            parts.append(Text("  ").join(marks))
        if self._releases:
            parts += ["", self._runs()]
        return Group(*parts)

    def _headline(self) -> RenderableType:
        step = "Releasing six Mini Programs" if self._releases else "Starting Airflow"
        self._spinner.update(text=Text.assemble((step, "bold"), f"  {time.monotonic() - self._started:.0f} s"))
        return self._spinner

    def _runs(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for story in self._stories:
            task_id, state = self._releases.get(story.word, ("queued", ""))
            table.add_row(story.word, Text(story.appid, "dim"), task_id, Text(state, STYLES.get(state, "")))
        return table


def _mark(name: str, state: str) -> Text:
    return Text(f"✓ {name}", "green") if state == "up" else Text(f"… {name}", "dim")

"""Common ground of all commands: texts for a terminal, and an end in a sentence; it imports nothing of Airflow."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.segment import Segment

from airflow_wxa.errors import WxaError, readable
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import ConsoleOptions, RenderableType

_INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C


class Terminal(Console):
    """A console that writes steering characters of any text out; its own styles stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of a renderable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(readable(segment.text), segment.style)


def say(text: str, *, style: str = "", to_stdout: bool = False) -> None:
    """Print a text for people in the language that is set, on standard error unless it is the command's result."""
    Terminal(stderr=not to_stdout).print(as_set(text), style=style, markup=False, highlight=False, soft_wrap=True)


def header(name: str) -> str:
    """Return the header of a column, in the language that is set."""
    return as_set(Text("column", name)) or name


def cannot_listen(host: str, port: int, error: OSError) -> WxaError:
    """Return the refusal of an address that cannot be bound."""
    return WxaError(Text("cannot_listen", host=host, port=port, error=error))


def ended(run: Callable[[], int]) -> int:
    """Run a command, and return its exit code; refusals are printed without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that a terminal lacks stops no command
            stream.reconfigure(errors="backslashreplace")
    try:
        return run()
    except WxaError as error:
        say(readable("\n  ".join(error.lines(language()))), style="red")
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # … | head; what is left in the buffer must not be tried again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1

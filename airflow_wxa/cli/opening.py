"""Common ground of all commands under ``airflow wxa``: the store, files, and rows as Airflow prints them."""

from __future__ import annotations

import functools
import getpass
import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.cli.simple_table import AirflowConsole as AirflowsOwn
from airflow.sdk.exceptions import AirflowNotFoundException
from rich.markup import escape

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import APPID
from airflow_wxa.cli.terminal import Terminal, ended, header
from airflow_wxa.errors import WxaSpecError, readable
from airflow_wxa.hooks.connection import read_connection
from airflow_wxa.hooks.store import store_url
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airflow.sdk import Connection

    from airflow_wxa.access import PlatformCredentials

STDIN: Final = "-"
TICKET_SECONDS: Final = 12 * 3600  # how long a component_verify_ticket lives
_UNITS: Final = (("duration_d", 86400), ("duration_h", 3600), ("duration_min", 60))
_STORE: Final = "AIRFLOW__WXA__SQL_ALCHEMY_CONN"
#: Command that may only look → the options with which it writes, as they are when it does not.
_WRITES_WITH: Final[Mapping[str, Mapping[str, object]]] = {
    "ledger": {"erase": False},
    "accounts": {"import_list": False, "import_csv": None, "read_granted": False},
    "ticket": {"restart": False, "import_from": ""},
    **{name: {} for name in ("status", "watch", "stop", "open_gate", "rerun")},
}


def command(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], None]:
    """Make a command of a function: it ends as :func:`~airflow_wxa.cli.terminal.ended` says, its exit code is raised.

    :param run: returns the exit code; Airflow ignores what a command returns.
    """

    @functools.wraps(run)
    def running(arguments: argparse.Namespace) -> None:
        _leave_stdout_to_the_result()
        if getattr(arguments, "json", False):
            arguments.output = "json"

        def checked() -> int:
            _check_texts(arguments)
            with _no_store_made(run.__name__, arguments):
                return run(arguments)

        if code := ended(checked):
            raise SystemExit(code)

    return running


@contextmanager
def _no_store_made(name: str, arguments: argparse.Namespace) -> Iterator[None]:
    """Let a command that only looks find an empty store where there is no file of one yet, and leave it so."""
    writing = _WRITES_WITH.get(name)
    looks = writing is not None and all(getattr(arguments, option) == idle for option, idle in writing.items())
    before = os.environ.get(_STORE)
    if looks and _is_absent(store_url()):
        os.environ[_STORE] = "sqlite://"  # in memory
    try:
        yield
    finally:
        os.environ.pop(_STORE, None)
        if before is not None:
            os.environ[_STORE] = before


def _is_absent(url: str) -> bool:
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


def _leave_stdout_to_the_result() -> None:
    """Keep standard output for the result alone (… -o json)."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # that the store was created is no news


def _check_texts(arguments: argparse.Namespace) -> None:
    """Refuse a text that is no UTF-8: a shell passes any bytes."""
    given = [(name, value) for name, value in vars(arguments).items() if isinstance(value, str)]
    wrong = [(name, value) for name, value in given if value.encode(errors="replace").decode() != value]
    if wrong:
        problems = [Text("text_is_no_utf8", name=name, value=repr(value)) for name, value in wrong]
        raise WxaSpecError(Text("command_was_not_run"), problems)


class AirflowConsole(Terminal, AirflowsOwn):
    """Airflow's console, for ``--output``."""


def is_structured(output: str) -> bool:
    """Tell whether ``--output`` asks for a format that programs read."""
    return output in {"json", "yaml"}


def print_value(value: Any, output: str) -> None:
    """Print a JSON value as ``json`` or ``yaml``."""
    console = AirflowConsole()
    (console.print_as_yaml if output == "yaml" else console.print_as_json)(value)


def print_rows(rows: Iterable[Mapping[str, Any]], output: str) -> None:
    """Print rows as Airflow's own commands do: ``table``, ``plain``, ``json``, ``yaml``.

    Airflow makes texts of numbers on the way to JSON; here they stay numbers.
    """
    if is_structured(output):
        # A plain text is a word for programs, also where some text for people is the same word.
        value = [{name: as_set(cell) if isinstance(cell, Text) else cell for name, cell in row.items()} for row in rows]
        print_value(value, output)
        return
    shown = escape if output == "table" else str  # rich would take a name in brackets for markup
    texts = [
        {header(name): "" if cell is None else shown(readable(str(_read(cell)))) for name, cell in row.items()}
        for row in rows
    ]
    AirflowConsole(highlight=False).print_as(texts, output)


def _read(cell: Any) -> Any:
    return as_set(cell) if isinstance(cell, str) else cell


def in_words(seconds: float) -> Text:
    """Return a duration in the largest unit of which there are at least two: ``95 min``, ``30 h``, ``12 d``."""
    key, size = next((each for each in _UNITS if seconds >= 2 * each[1]), ("duration_s", 1))
    return Text(key, n=f"{max(seconds, 0) / size:.0f}")


def check_appids(appids: Iterable[str]) -> None:
    """Raise :class:`WxaSpecError` when one can be no appid."""
    if problems := [Text("appid_is_no_appid", appid=each) for each in appids if not APPID.fullmatch(each)]:
        raise WxaSpecError(Text("no_such_mini_program"), problems)


def open_connection(wxa_conn_id: str) -> Connection:
    """Return a Connection, from any of Airflow's backends."""
    # As airflow connections get does: without it only environment variables and secrets backends are asked.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        return WxaHook.get_connection(wxa_conn_id)
    except AirflowNotFoundException:
        variable = f"AIRFLOW_CONN_{wxa_conn_id.upper()}"
        is_set = bool(os.environ.get(variable))
        problem = Text("variable_is_no_connection", variable=variable) if is_set else Text("nobody_knows_it")
        raise WxaSpecError(
            Text("no_such_connection", wxa_conn_id=repr(wxa_conn_id), variable=variable),
            [Text("problem_of_wxa_conn_id", wxa_conn_id=repr(wxa_conn_id), problem=problem)],
        ) from None


def open_platform(wxa_conn_id: str) -> tuple[PlatformCredentials, Secret]:
    """Return the platform that a Connection names, on the store that Airflow's configuration names, and its secret.

    :raises WxaSpecError: no such Connection, or it names no platform, or the store cannot be opened.
    :raises WxaTransportError: the store does not answer.
    """
    read = read_connection(open_connection(wxa_conn_id))
    platform = read.platform
    if platform is None or read.component_appsecret is None:
        raise WxaSpecError(
            Text("connection_names_no_platform", wxa_conn_id=repr(wxa_conn_id)), [Text("login_or_password_is_empty")]
        )
    return platform, read.component_appsecret


def read_text(source: str) -> str:
    """Return what a file holds; ``-`` is standard input. A byte order mark, as spreadsheets write it, is dropped.

    :raises WxaSpecError: the file cannot be read, or is no UTF-8.
    """
    try:
        content = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = str(error.strerror) if isinstance(error, OSError) else Text("it_is_no_utf8")
        raise WxaSpecError(Text("file_cannot_be_read", source=source), [reason]) from None


def write_csv(target: str, lines: Iterable[str]) -> None:
    """Write lines to a file; ``-`` is standard output."""
    if target == STDIN:
        sys.stdout.writelines(lines)
        return
    try:
        with Path(target).open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(lines)
    except OSError as error:
        raise WxaSpecError(Text("file_cannot_be_written", target=target), [str(error.strerror)]) from None


def read_secret(source: str, what: str) -> Secret:
    """Return a secret from a file or standard input; at a terminal it is asked for, and not shown.

    :param what: its name, for the question and the refusal.
    :raises WxaSpecError: nothing, or more than one word.
    """
    asked = source == STDIN and sys.stdin.isatty()
    text = (getpass.getpass(f"{what}: ") if asked else read_text(source)).strip()
    if not text or len(text.split()) != 1:
        raise WxaSpecError(Text("value_is_refused", what=what), [Text("it_holds_blanks" if text else "it_is_empty")])
    return Secret(text)

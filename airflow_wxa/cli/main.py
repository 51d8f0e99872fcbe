"""``airflow-wxa``: the commands that need nothing of Airflow's configuration; the others are ``airflow wxa …``."""

from __future__ import annotations

import argparse
import io
import json
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C

#: What each command takes and says; its function is imported when it is used, so that ``errcode`` answers at once.
_COMMANDS: Final[Sequence[Mapping[str, Any]]] = json.loads(
    Path(__file__).with_name("commands.json").read_text("utf-8")
)["program"]
#: Command → function.
FUNCTIONS: Final[Mapping[str, str]] = {each["name"]: each["function"] for each in _COMMANDS}
#: Those of ``airflow wxa``, accepted here as well.
UNLISTED: Final = frozenset({"doctor", "accounts", "authorise", "ticket", "rotate-keys", "ledger", "conformance"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    :param argv: the words after the program's name; default: those of this process.
    :return: the exit code.
    :raises SystemExit: argparse refuses the words (2), or was asked for help or the version (0); a command of
        ``airflow wxa`` ended with another code than 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that a terminal lacks stops no command
            stream.reconfigure(errors="backslashreplace")
    try:
        if words[:1] and words[0] in UNLISTED:
            _run_airflows(words)
            return 0
        arguments = parser().parse_args(words)
        module, _, function = f"airflow_wxa.cli.{FUNCTIONS[arguments.command]}".rpartition(".")
        code: int = getattr(import_module(module), function)(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _run_airflows(words: Sequence[str]) -> None:
    """Run a command of ``airflow wxa`` as Airflow would."""
    from airflow_wxa.cli.airflow_group import WXA_COMMANDS  # noqa: PLC0415  (importing Airflow takes seconds)

    (command,) = [each for each in WXA_COMMANDS if each.name == words[0]]
    its = argparse.ArgumentParser(prog=f"airflow wxa {command.name}", description=command.description)
    for each in command.args:
        each.add_to_parser(its)
    command.func(its.parse_args(words[1:]))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the listed commands."""
    whole = argparse.ArgumentParser(
        prog="airflow-wxa",
        description="Release WeChat Mini Programs from Apache Airflow: try it, and look things up.",
        epilog="What works on a Connection is a command of Airflow: airflow wxa --help.",
    )
    beside = f"Apache Airflow {version('apache-airflow')}, Python {platform.python_version()}"
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}, {beside}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for said in _COMMANDS:
        each = commands.add_parser(said["name"], help=said["help"], description=said["description"])
        for arg in said["args"]:
            options = {name: value for name, value in arg.items() if name != "flags"}
            if "type" in options:
                options["type"] = _TYPES[options["type"]]
            each.add_argument(*arg["flags"], **options)
    return whole


def _number(what: str, first: int, last: int) -> Callable[[str], int]:
    """Return a reader of whole numbers, for argparse."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and first <= int(text) <= last):
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}: {first} to {last}")
        return int(text)

    return read


_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {
    "fleet_size": _number("number of Mini Programs", 1, 20_000),
    "int": int,
    "path": Path,
    "port": _number("port", 0, 65_535),
    "seconds": _number("number of seconds", 1, 86_400),
}

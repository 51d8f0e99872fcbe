"""``airflow-wxa``: the commands that need nothing of Airflow's configuration; the others are ``airflow wxa …``."""

from __future__ import annotations

import argparse
import platform
import sys
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from airflow_wxa import __version__
from airflow_wxa.cli.definitions import commands, names
from airflow_wxa.cli.terminal import ended
from airflow_wxa.texts.setting import phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTED: Final = frozenset(names("program"))
#: Those of ``airflow wxa``, accepted here as well.
UNLISTED: Final = frozenset(names("wxa"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    :param argv: the words after the program's name; default: those of this process.
    :return: the exit code.
    :raises SystemExit: argparse refuses the words (2), or was asked for help or the version (0); a command of
        ``airflow wxa`` ended with another code than 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return ended(partial(_run_airflows if words[:1] and words[0] in UNLISTED else _run, words))


def _run(words: Sequence[str]) -> int:
    arguments = parser().parse_args(words)
    module, _, function = arguments.function.rpartition(".")  # imported now: errcode answers at once
    code: int = getattr(import_module(module), function)(arguments)
    return code


def _run_airflows(words: Sequence[str]) -> int:
    """Run a command of ``airflow wxa`` as Airflow would."""
    from airflow_wxa.cli.airflow_group import WXA_COMMANDS  # noqa: PLC0415  (importing Airflow takes seconds)

    (command,) = [each for each in WXA_COMMANDS if each.name == words[0]]
    its = argparse.ArgumentParser(prog=f"airflow wxa {command.name}", description=command.description)
    for each in command.args:
        each.add_to_parser(its)
    command.func(its.parse_args(words[1:]))
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the listed commands, its help in the language that is set."""
    whole = argparse.ArgumentParser(
        prog="airflow-wxa", description=phrase("command_program"), epilog=phrase("command_program_of_airflow")
    )
    beside = f"Apache Airflow {version('apache-airflow')}, Python {platform.python_version()}"
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}, {beside}")
    choices = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in commands("program"):
        each = choices.add_parser(command.name, help=command.help, description=command.description)
        each.set_defaults(function=command.function)
        for arg in command.args:
            each.add_argument(*arg["flags"], **{name: value for name, value in arg.items() if name != "flags"})
    return whole

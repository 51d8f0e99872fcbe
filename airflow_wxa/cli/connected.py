"""The commands that work on a Connection, as data: one definition for ``airflow-wxa X`` and ``airflow wxa X``.

This module imports nothing but argparse, so that asking for help costs nothing.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMMANDS", "Argument", "Command", "add_command"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One option.

    :param flag: with its two dashes.
    :param options: what ``add_argument`` takes besides flag and help.
    """

    flag: str
    help: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    :param module: holds ``run(arguments) -> exit code``; imported when the command is used.
    :param help: one line of a list of commands.
    :param description: what its own help opens with.
    """

    name: str
    module: str
    help: str
    description: str
    arguments: tuple[Argument, ...]


_CONNECTION: Final = Argument(
    "--wxa-conn-id", "id of the Connection (default: wxa_default)", {"metavar": "ID", "default": "wxa_default"}
)
_JSON: Final = Argument("--json", "write JSON instead of a table", {"action": "store_true"})
_FILE_OR_STDIN: Final = "; - is standard input"


def _rows(text: str) -> int:
    """Read a number of rows."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: 1 or more")
    return int(text)


def _days(text: str) -> float:
    """Read a number of days."""
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: 0 or more")
    return days


COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "doctor",
        "airflow_wxa.cli.doctor.command",
        "say what is wrong with Connection, host, store, platform and merchants",
        "Look at everything a release depends on, and say what is wrong and how to mend it. It changes nothing at "
        "WeChat and spends no budget; tokens are fetched where they have run out. Exit code 0: nothing of level error.",
        (
            _CONNECTION,
            Argument(
                "--appid",
                "a Mini Program to look at; may be repeated (default: three that the store or the Connection knows)",
                {"metavar": "APPID", "action": "append", "default": []},
            ),
            _JSON,
        ),
    ),
    Command(
        "accounts",
        "airflow_wxa.cli.accounts",
        "list the merchants of the platform, or import them",
        "List the merchants in the store: state, granted permission sets, age of their tokens; never a token.",
        (
            _CONNECTION,
            Argument(
                "--import-list",
                "first import every merchant and its refresh token from api_get_authorizer_list",
                {"action": "store_true"},
            ),
            Argument(
                "--import-csv",
                f"first import a CSV file with the columns appid and refresh_token, all of it or nothing"
                f"{_FILE_OR_STDIN}",
                {"metavar": "FILE"},
            ),
            Argument(
                "--read-granted",
                "first ask WeChat, merchant by merchant, what is granted (api_get_authorizer_info)",
                {"action": "store_true"},
            ),
            _JSON,
        ),
    ),
    Command(
        "authorise",
        "airflow_wxa.cli.authorise",
        "print the link by which a merchant authorises the platform, or exchange its code",
        "With --redirect-uri: print a fresh authorisation link, good for about ten minutes. With --code: exchange the "
        "code that WeChat sent the merchant back with (auth_code), once, and store what it gives.",
        (
            _CONNECTION,
            Argument("--appid", "the Mini Program that is expected", {"metavar": "APPID", "default": ""}),
            Argument(
                "--redirect-uri",
                "where WeChat sends the merchant back; its host must be the platform's authorisation domain",
                {"metavar": "URL"},
            ),
            Argument(
                "--code", f"the code{_FILE_OR_STDIN}, and keeps it out of the shell's history", {"metavar": "CODE"}
            ),
        ),
    ),
    Command(
        "ticket",
        "airflow_wxa.cli.ticket",
        "show the age of the component_verify_ticket, import one, or ask WeChat for pushes",
        "Show how old the stored component_verify_ticket is; WeChat pushes one about every ten minutes, it lives 12 h.",
        (
            _CONNECTION,
            Argument("--restart", "ask WeChat to push tickets again (api_start_push_ticket)", {"action": "store_true"}),
            Argument(
                "--import",
                "import a ticket from a file, or without one from standard input; never as an argument, which others "
                "could read",
                # Airflow's Arg knows no const: without a file the value is None, without the flag it is "".
                {"metavar": "FILE", "dest": "import_from", "nargs": "?", "default": ""},
            ),
        ),
    ),
    Command(
        "rotate-keys",
        "airflow_wxa.cli.keys",
        "encrypt all secrets in the store with the newest key",
        "Encrypt every secret in the store with the first of [wxa] encryption_keys; run it after a key was put in "
        "front, and take the old one out afterwards.",
        (_CONNECTION,),
    ),
    Command(
        "ledger",
        "airflow_wxa.cli.ledger",
        "show, export or erase what was written to WeChat: who, when, in which run, with which result",
        "Show the ledger: a row for each write to WeChat and each decision about a release, the newest first. It is "
        "one for all Connections, in the store.",
        (
            Argument("--appid", "only this Mini Program", {"metavar": "APPID"}),
            Argument("--run-id", "only this run", {"metavar": "ID"}),
            Argument("--component-appid", "only this platform", {"metavar": "APPID"}),
            Argument("--most", "how many rows (default: 50 in a table, else all)", {"metavar": "N", "type": _rows}),
            _JSON,
            Argument("--csv", "write CSV to FILE; - is standard output", {"metavar": "FILE"}),
            Argument(
                "--erase",
                "erase rows and outcomes: those of --appid, those --older-than so many days, or both together",
                {"action": "store_true"},
            ),
            Argument("--older-than", "with --erase: age in days", {"metavar": "DAYS", "type": _days}),
            Argument("--yes", "with --erase: do not ask", {"action": "store_true"}),
        ),
    ),
)


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], command: Command) -> None:
    """Add a command to a parser's subcommands."""
    parser = commands.add_parser(command.name, help=command.help, description=command.description)
    for argument in command.arguments:
        parser.add_argument(argument.flag, help=argument.help, **argument.options)

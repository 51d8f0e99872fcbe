"""The group ``airflow wxa``, as Airflow wants it declared; ``commands.json`` holds arguments and help."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.cli.cli_config import ARG_OUTPUT, ActionCommand, Arg, GroupCommand, lazy_load_command, positive_int

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.cli.cli_config import CLICommand


def get_wxa_cli_commands() -> list[CLICommand]:
    """Return the group ``wxa``."""
    about = "Release WeChat Mini Programs: credentials, merchants, the ledger, and what is wrong"
    about_fleet = "look at manifests and runs of many Mini Programs, and stop them"
    fleet = GroupCommand(name="fleet", help=about_fleet, subcommands=FLEET_COMMANDS)
    store = GroupCommand(name="db", help="the store's database", subcommands=DB_COMMANDS)
    return [GroupCommand(name="wxa", help=about, subcommands=(*WXA_COMMANDS, fleet, store))]


def _days(text: str) -> float:
    """Read a number of days."""
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: 0 or more")
    return days


_TYPES: Final = {"days": _days, "positive_int": positive_int(allow_zero=False)}  # type: ignore[no-untyped-call]
_SAID: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_name("commands.json").read_text("utf-8"))


def _arg(said: Mapping[str, Any]) -> Arg:
    options = {**said, "type": _TYPES[said["type"]]} if "type" in said else said
    return Arg(**options)  # type: ignore[no-untyped-call]


#: What several commands take.
_SHARED: Final = {"output": ARG_OUTPUT} | {name: _arg(said) for name, said in _SAID["shared"].items()}


def _command(said: Mapping[str, Any]) -> ActionCommand:
    return ActionCommand(
        name=said["name"],
        help=said["help"],
        description=said["description"],
        func=lazy_load_command(f"airflow_wxa.cli.{said['function']}"),
        args=[_SHARED[each] if isinstance(each, str) else _arg(each) for each in said["args"]],
    )


WXA_COMMANDS, FLEET_COMMANDS, DB_COMMANDS = ([*map(_command, _SAID[group])] for group in ("wxa", "fleet", "db"))

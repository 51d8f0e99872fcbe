"""``airflow wxa …``: the commands of :mod:`airflow_wxa.cli.connected`, as Airflow wants them declared.

Airflow imports this module for each of its commands, so it imports neither hooks nor operators.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

from airflow_wxa.cli.connected import COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from airflow.cli.cli_config import CLICommand

    from airflow_wxa.cli.connected import Argument, Command

__all__ = ["get_wxa_cli_commands"]


def get_wxa_cli_commands() -> list[CLICommand]:
    """Return the group ``wxa``."""
    return [
        GroupCommand(
            name="wxa",
            help="Release WeChat Mini Programs: credentials, merchants, and what is wrong",
            subcommands=[_action(command) for command in COMMANDS],
        )
    ]


def _action(command: Command) -> ActionCommand:
    return ActionCommand(
        name=command.name,
        help=command.help,
        description=command.description,
        func=_runner(command.module),
        args=[_argument(each) for each in command.arguments],
    )


def _argument(argument: Argument) -> Arg:
    return Arg(flags=(argument.flag,), help=argument.help, **argument.options)  # type: ignore[no-untyped-call]


def _runner(module: str) -> Callable[[argparse.Namespace], None]:
    """Return what Airflow calls; it ignores what a command returns, so the exit code is raised."""

    def run(arguments: argparse.Namespace) -> None:
        if code := import_module(module).run(arguments):
            raise SystemExit(code)

    return run

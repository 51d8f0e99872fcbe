"""The group ``airflow wxa``, as Airflow wants it declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

from airflow_wxa.cli.definitions import commands
from airflow_wxa.texts.setting import phrase

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_wxa_cli_commands() -> list[CLICommand]:
    """Return the group ``wxa``."""
    fleet = GroupCommand(name="fleet", help=phrase("command_fleet"), subcommands=FLEET_COMMANDS)
    store = GroupCommand(name="db", help=phrase("command_db"), subcommands=DB_COMMANDS)
    return [GroupCommand(name="wxa", help=phrase("command_wxa"), subcommands=(*WXA_COMMANDS, fleet, store))]


def _of_group(name: str) -> list[ActionCommand]:
    return [
        ActionCommand(
            name=each.name,
            help=each.help,
            description=each.description,
            func=lazy_load_command(each.function),
            args=[Arg(**arg) for arg in each.args],  # type: ignore[no-untyped-call]
        )
        for each in commands(name)
    ]


WXA_COMMANDS, FLEET_COMMANDS, DB_COMMANDS = map(_of_group, ("wxa", "fleet", "db"))

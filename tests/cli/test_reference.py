"""The reference names every command and option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.cli.airflow_group import DB_COMMANDS, FLEET_COMMANDS, WXA_COMMANDS
from airflow_wxa.cli.main import _COMMANDS as COMMANDS
from airflow_wxa.cli.main import FUNCTIONS, UNLISTED

REFERENCE = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *UNLISTED}))
def test_every_command_is_in_the_reference(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.parametrize("command", [*WXA_COMMANDS, *FLEET_COMMANDS, *DB_COMMANDS], ids=lambda command: command.name)
def test_every_option_is_in_its_section(command: object) -> None:
    group = "fleet " if command in FLEET_COMMANDS else ""
    section = REFERENCE.partition(f"## `{group}{command.name}`")[2].partition("\n## ")[0]  # type: ignore[attr-defined]
    flags = {flag for arg in command.args for flag in arg.flags if flag.startswith("--")} - {"--wxa-conn-id"}  # type: ignore[attr-defined]
    assert {flag for flag in flags if flag not in section} == set()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command["name"])
def test_every_option_of_the_program_is_in_the_reference(command: dict[str, Any]) -> None:
    section = REFERENCE.partition(f"\n## `{command['name']}`")[2].partition("\n## ")[0]
    flags = {flag for arg in command["args"] for flag in arg["flags"] if flag.startswith("--")}
    assert {flag for flag in flags if flag not in section} == set()

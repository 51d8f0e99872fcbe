"""The reference names every command and option."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.cli.cli_parser import _add_command

from airflow_wxa.cli.airflow_group import DB_COMMANDS, FLEET_COMMANDS, WXA_COMMANDS, get_wxa_cli_commands
from airflow_wxa.cli.main import _COMMANDS as COMMANDS
from airflow_wxa.cli.main import FUNCTIONS, UNLISTED, parser

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference/cli.md").read_text("utf-8")


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


def commands() -> Iterator[tuple[Path, list[str]]]:
    """Yield each command of ours that a page lets a reader type; what stands in [brackets] describes one."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|", re.sub(r"[<>]+\s?\S+|\s#.*", "", line)):
                    if re.match(r"\s*(\S*/)?airflow(-wxa| wxa) ", part) and "[" not in part:
                        yield path, shlex.split(part)


def test_every_command_of_a_page_can_be_typed() -> None:
    group = argparse.ArgumentParser(prog="airflow")
    subparsers = group.add_subparsers(required=True)
    for each in get_wxa_cli_commands():
        _add_command(subparsers, each)
    refused, typed = [], list(commands())
    for path, (program, *words) in typed:
        if program.endswith("-wxa") and words[0] in UNLISTED:
            words.insert(0, "wxa")
        try:
            (group if words[0] == "wxa" else parser()).parse_args(words)
        except SystemExit as ended:
            refused += [f"{path}: {shlex.join(words)}"] if ended.code else []
    print(f"{len(typed)} commands")
    assert refused == []
    assert len(typed) > 40

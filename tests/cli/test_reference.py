"""The reference names every command and option."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_wxa.cli.definitions import commands as defined
from airflow_wxa.cli.main import UNLISTED, parser
from tests.cli.healthy import airflows_parser

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference/cli.md").read_text("utf-8")


@pytest.mark.parametrize("group", ["program", "wxa", "fleet", "db"])
def test_every_command_is_in_the_reference_and_every_option_in_its_section(group: str) -> None:
    missing = set()
    for command in defined(group):
        title = f"fleet {command.name}" if group == "fleet" else command.name
        assert group in {"fleet", "db"} or f"| `{title}` |" in REFERENCE, title
        section = REFERENCE.partition(f"\n## `{title}`")[2].partition("\n## ")[0]
        flags = {flag for arg in command.args for flag in arg["flags"] if flag.startswith("--")} - {"--wxa-conn-id"}
        missing |= {(command.name, flag) for flag in flags if flag not in section}
    assert missing == set()


def commands() -> Iterator[tuple[Path, list[str]]]:
    """Yield each command of ours that a page lets a reader type; what stands in [brackets] describes one."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|", re.sub(r"[<>]+\s?\S+|\s#.*", "", line)):
                    if re.match(r"\s*(\S*/)?airflow(-wxa| wxa) ", part) and "[" not in part:
                        yield path, shlex.split(part)


def test_every_command_of_a_page_can_be_typed() -> None:
    group, refused, typed = airflows_parser(), list[str](), list(commands())
    for path, (program, *words) in typed:
        if program.endswith("-wxa") and words[0] in UNLISTED:
            words.insert(0, "wxa")
        try:
            (group if words[0] == "wxa" else parser()).parse_args(words)
        except SystemExit as ended:
            refused += [f"{path}: {shlex.join(words)}"] if ended.code else []
    assert refused == []
    assert len(typed) > 40

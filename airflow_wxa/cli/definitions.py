"""Definitions of all commands: ``commands.json`` has functions and flags, the catalogue of texts the words."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SAID: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_name("commands.json").read_text("utf-8"))
_MAX_FLEET: Final = 20_000


@dataclass(frozen=True, slots=True)
class Command:
    """A command, its words in the language that was set when it was asked for.

    :param function: as a dotted path; it takes the arguments.
    :param args: options of ``argparse.ArgumentParser.add_argument``, and its ``flags``.
    """

    name: str
    function: str
    help: str
    description: str
    args: Sequence[Mapping[str, Any]]


def names(group: str) -> list[str]:
    """Return the names of a group's commands: ``program``, ``wxa``, ``fleet``, ``db``."""
    return [said["name"] for said in _SAID[group]]


def commands(group: str) -> list[Command]:
    """Return the commands of a group."""
    prefix = {"program": "command", "wxa": "command"}.get(group, f"command_{group}")
    return [_command(said, f"{prefix}_{said['name'].replace('-', '_')}") for said in _SAID[group]]


def _command(said: Mapping[str, Any], key: str) -> Command:
    args = [
        _arg(_SAID["shared"][each], "command_shared") if isinstance(each, str) else _arg(each, key)
        for each in said["args"]
    ]
    function = f"airflow_wxa.cli.{said['function']}"
    return Command(said["name"], function, as_set(Text(key, "help")), as_set(Text(key, "description")), args)


def _arg(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    name = said["flags"][-1].lstrip("-").replace("-", "_")
    read = {"type": _TYPES[said["type"]]} if "type" in said else {}
    return {**said, **read, "help": as_set(Text(key, name))}


def _whole(first: int, last: float = math.inf) -> Callable[[str], int]:
    """Return a reader of whole numbers, for argparse."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and first <= int(text) <= last:
            return int(text)
        raise _refused(text, first, last)

    return read


def _refused(text: str, first: int, last: float = math.inf) -> argparse.ArgumentTypeError:
    bounds = Text("or_more", first=first) if last == math.inf else Text("from_to", first=first, last=last)
    return argparse.ArgumentTypeError(phrase("number_is_refused", text=repr(text), bounds=bounds))


def _days(text: str) -> float:
    """Read a number of days."""
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if 0 <= days < math.inf:
        return days
    raise _refused(text, 0)


_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {
    "days": _days,
    "fleet_size": _whole(1, _MAX_FLEET),
    "int": int,
    "path": Path,
    "port": _whole(0, 65_535),
    "positive_int": _whole(1),
    "seconds": _whole(1, 86_400),
}

"""Read YAML, and JSON which is a part of it, so that each value knows its line.

Plain values are read as YAML 1.2 and JSON read them. PyYAML by itself follows YAML 1.1, which makes ``047``
thirty-nine, ``10:00`` six hundred and ``no`` a flag.
"""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from airflow_wxa.errors import problem_at
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MOST_NESTED: Final = 100
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
_PREFIX: Final = "tag:yaml.org,2002:"
_SCALARS: Final[Mapping[str, Callable[[str], object]]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": float,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem, and its line.

    :param file: as the caller named it.
    :param line: counted from 1; 0: the file as a whole.
    :param text: the problem, and its remedy.
    """

    file: str
    line: int
    text: str

    @property
    def told(self) -> Text:
        """The problem behind its place, as compilers write it."""
        return problem_at(f"{self.file}:{self.line}" if self.line else self.file, self.text)


class LocatedDict(dict[str, Any]):
    """A mapping that knows its own line, and in :attr:`lines` that of each key.

    :param file: holds it in place of the document; ``""``: the document does.
    """

    __slots__ = ("file", "line", "lines")

    def __init__(self, line: int, file: str = "", **values: Any) -> None:
        super().__init__(values)
        self.line = line
        self.file = file
        self.lines: dict[str, int] = {}


class LocatedList(list[Any]):
    """A sequence that knows its own line, and in :attr:`lines` that of each entry."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


#: Tag, pattern and first characters of the plain values that are no texts.
PLAIN_VALUES: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
)


def know_plain_values(yaml_class: Any) -> None:
    """Let a loader read these values as no texts, or a dumper put texts that look like them into quotes."""
    for tag, pattern, first in PLAIN_VALUES:
        yaml_class.add_implicit_resolver(_PREFIX + tag, re.compile(rf"(?:{pattern})\Z"), [*first, ""])


class _Loader(_Base):  # type: ignore[misc]
    """Knows the plain values of JSON and no others."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  (PyYAML's own attribute)


know_plain_values(_Loader)


def read_document(text: str, file: str) -> tuple[Any, list[Problem]]:
    """Return the one document that a text holds, and its problems as YAML.

    Mappings are :class:`LocatedDict`, sequences :class:`LocatedList`; ``None`` when nothing could be read.
    """
    reader = _Reader(file)
    try:
        with _without_collector():
            node = yaml.compose(text, Loader=_Loader)
            value = reader.value(node, 0) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, [_no_yaml(file, mark.line + 1 if mark else 0, error.problem or error.context)]
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # a character that YAML does not take
        return None, [_no_yaml(file, 0, getattr(error, "reason", None) or type(error).__name__)]
    return value, reader.problems


def _no_yaml(file: str, line: int, why: object) -> Problem:
    return Problem(file, line, Text("file_is_no", kind="YAML", why=str(why)))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Let the garbage collector rest: it looks at each of a million nodes again and again, and none is garbage yet."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class _Reader:
    """Makes values of nodes."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._seen: set[int] = set()
        self.problems: list[Problem] = []

    def value(self, node: Any, depth: int) -> Any:
        if depth > _MOST_NESTED:
            self._refuse(node, Text("node_is_nested_too_deep", most=_MOST_NESTED))
            return None
        if id(node) in self._seen:  # a few lines of them can stand for gigabytes
            self._refuse(node, Text("node_has", "alias"))
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._seen.add(id(node))
        return self._mapping(node, depth) if isinstance(node, yaml.MappingNode) else self._sequence(node, depth)

    def _mapping(self, node: Any, depth: int) -> LocatedDict:
        found = LocatedDict(node.start_mark.line + 1)
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, Text("node_has", "odd_name"))
                continue
            key = key_node.value
            if key in found:
                self._refuse(key_node, problem_at(repr(key), Text("value_stands_twice", line=found.lines[key])))
                continue
            found[key] = self.value(value_node, depth + 1)
            found.lines[key] = key_node.start_mark.line + 1
        return found

    def _sequence(self, node: Any, depth: int) -> LocatedList:
        found = LocatedList(node.start_mark.line + 1)
        for each in node.value:
            found.append(self.value(each, depth + 1))
            found.lines.append(each.start_mark.line + 1)
        return found

    def _scalar(self, node: Any) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        # A number in quotes has the tag of one where somebody wrote !!int before it.
        if kind in _SCALARS and not (node.style and kind in {"int", "float"}):
            return _SCALARS[kind](node.value)
        self._refuse(node, Text("node_has_a_tag", tag=repr(node.tag)))
        return None

    def _refuse(self, node: Any, text: str) -> None:
        self.problems.append(Problem(self._file, node.start_mark.line + 1, text))

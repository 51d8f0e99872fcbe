"""Texts for people, as a key and values until somebody reads them.

One file per language holds a template for each key, or several by part: ``what``, ``why``, ``next_step``, ``source``.
A :class:`Text` reads as English everywhere, and in its reader's language through :func:`in_language`, also years after
it was stored. A text that a language's file does not have is read in English.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ENGLISH", "Text", "from_data", "in_language", "languages", "template", "templates", "to_data"]

ENGLISH: Final = "en"
_PLAIN: Final = (str, int, float, list, tuple, type(None))
_MIN_LETTERS: Final = 6  # of its own that make a template recognisable among plain texts
#: Entries of words that are too short to tell them from names and values: no plain text is taken for one of them.
_WORDS: Final = frozenset({"column", "outcome", "page", "road", "row_version", "step", "value", "value_is"})
_DATA: Final = frozenset({"text", "key", "part", "values"})


class Text(str):
    """A text in English that knows its key and values.

    :param key: of the catalogue.
    :param part: of its entry; a part that the entry does not have is empty.
    :param values: by the names in its template; a text among them is read in the reader's language, too, and so is each
        of a list, joined by the value ``between``, or as the language joins sentences.
    :raises KeyError: no such key, or a value that the template names is missing.
    """

    __slots__ = ("key", "part", "values")
    key: str
    part: str
    values: Mapping[str, Any]

    def __new__(cls, key: str, part: str = "what", /, **values: object) -> Self:
        """Read it in English."""
        plain = {name: each if isinstance(each, _PLAIN) else str(each) for name, each in values.items()}
        text = super().__new__(cls, _read(templates(ENGLISH)[key].get(part, ""), plain, ENGLISH))
        text.key, text.part, text.values = key, part, plain
        return text

    def of(self, part: str) -> Text:
        """Return another part of the same entry, with the same values."""
        return Text(self.key, part, **self.values)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as it reads, also to one whose catalogue does not have the key."""
        return _known, (str(self), self.key, self.part, self.values)


def _known(text: str, key: str, part: str, values: Mapping[str, Any]) -> Text:
    known = str.__new__(Text, text)
    known.key, known.part, known.values = key, part, values
    return known


@cache
def languages() -> Sequence[str]:
    """Return the languages that have a file here, English first."""
    found = [file.name for file in resources.files(__package__).iterdir() if file.name.endswith(".json")]
    return sorted((name.removesuffix(".json") for name in found), key=lambda each: (each != ENGLISH, each))


@cache
def templates(language: str) -> Mapping[str, Mapping[str, str]]:
    """Return a language's templates: key → part → template."""
    found = json.loads(resources.files(__package__).joinpath(f"{language}.json").read_text("utf-8"))
    return {key: {"what": entry} if isinstance(entry, str) else entry for key, entry in found.items()}


def template(key: str, part: str, language: str) -> str:
    """Return a template, in English where a language does not have it; ``""``: there is none."""
    return next((found for code in (language, ENGLISH) if (found := templates(code).get(key, {}).get(part))), "")


def in_language(text: str, language: str) -> str:
    """Return a text as its reader reads it; a plain one that no template explains stays as it is."""
    known = text if isinstance(text, Text) or language == ENGLISH else _recognised(text)
    if language == ENGLISH or not isinstance(known, Text):
        return str(text)
    template = templates(language).get(known.key, {}).get(known.part)
    return _read(template, known.values, language) if template else str(text)


def to_data(value: Any) -> Any:
    """Return JSON values with each text in them as an object of ``text``, ``key``, ``part`` and ``values``."""
    if isinstance(value, Text):
        return {"text": str(value), "key": value.key, "part": value.part, "values": to_data(value.values)}
    if isinstance(value, dict):
        return {name: to_data(each) for name, each in value.items()}
    return [to_data(each) for each in value] if isinstance(value, list | tuple) else value


def from_data(value: Any) -> Any:
    """Read what :func:`to_data` wrote; a text whose key has gone since then stays readable in English."""
    if isinstance(value, dict):
        read = {name: from_data(each) for name, each in value.items()}
        return _known(**read) if read.keys() == _DATA else read
    return [from_data(each) for each in value] if isinstance(value, list) else value


def _read(template: str, values: Mapping[str, Any], language: str) -> str:
    def said(value: Any) -> Any:
        if isinstance(value, list | tuple):
            between = templates(language).get("between") or templates(ENGLISH)["between"]
            return str(said(values.get("between", between["what"]))).join(str(said(each)) for each in value)
        return in_language(value, language) if isinstance(value, str) else value

    return template.format_map({name: said(value) for name, value in values.items()})


def _recognisable() -> Iterator[tuple[str, str, str]]:
    entries = ((key, entry) for key, entry in templates(ENGLISH).items() if key not in _WORDS)
    return ((key, part, template) for key, entry in entries for part, template in entry.items())


@cache
def _by_words() -> Sequence[tuple[str, str, str, str]]:
    """Return the longest words of each English template, itself, key and part; those with the most words first."""
    found = []
    for key, part, template in _recognisable():
        own = [literal for literal, *_ in Formatter().parse(template)]
        if len(re.sub("[^a-zA-Z]", "", "".join(own))) >= _MIN_LETTERS:
            found.append((sum(map(len, own)), (max(own, key=len), template, key, part)))
    return [each for _, each in sorted(found, key=lambda each: -each[0])]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of a template's texts; most are never needed."""
    pattern = ""
    for literal, name, *_ in Formatter().parse(template):
        group = f"(?P={name})" if f"(?P<{name}>" in pattern else f"(?P<{name}>.*?)"
        pattern += re.escape(literal) + (group if name else "")
    return re.compile(pattern, re.DOTALL)


@cache
def _exact() -> Mapping[str, tuple[str, str]]:
    """Return English text without values → its key and part."""
    return {
        template.format(): (key, part)
        for key, part, template in _recognisable()
        if not re.search(r"(?<!\{)\{\w", template)
    }


def _recognised(text: str) -> Text | None:
    """Return a text that came as plain English: stored before texts had keys, or put together of several."""
    if named := _exact().get(text):
        return _known(text, *named, {})
    if " " not in text:  # a name or a value
        return None
    for words, template, key, part in _by_words():
        if words in text and (found := _pattern(template).fullmatch(text)):
            return _known(text, key, part, found.groupdict())
    return None

"""Calls and their answers, in order, without any token.

A world of ten thousand merchants knows tens of thousands of secrets, and each call is written down. So a text is not
searched for each of them: every place of the text is looked up among their beginnings.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

LONGEST_TEXT = 2000
REDACTED = "***"
STEM = 8
DEEPEST = 50

_SECRET_NAME = re.compile(r"(token|secret|ticket|auth_?code|authorization_?code|aes_?key)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One call."""

    seq: int
    method: str
    path: str
    #: whose token was sent, or the platform that a call without a token names; None for nobody's token
    appid: str | None
    body: Any  #: the parsed JSON, the text when it is no JSON, None when there was no body
    #: the answer's, or the work's when the answer was lost on purpose; None when no work was done and no errcode was
    #: answered
    errcode: int | None
    time: float  #: epoch seconds by the world's clock
    fault: str | None = None  #: the kind of the fault that was put in, None for an honest answer
    #: request fields that the endpoint does not know; WeChat ignores them
    unknown_fields: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)


class Journal(list[Entry]):
    """The calls since the start or the last reset, oldest first; control paths are no calls."""

    def __init__(self) -> None:
        super().__init__()
        #: number of calls by path, those that are no longer kept included
        self.totals: Counter[str] = Counter()
        self.seq = 0  #: number of the newest call; it goes on counting after a reset

    def add(self, entry: Entry, *, keep: int) -> None:
        """Write a call down; between ``keep`` and a tenth more are kept, the newest."""
        self.totals[entry.path] += 1
        self.append(entry)
        if len(self) > keep + keep // 10:
            del self[: len(self) - keep]

    def clear(self) -> None:
        """Forget all calls."""
        super().clear()
        self.totals.clear()

    def count(self, value: Entry | str, /, **named: object) -> int:
        """Return how often a path was called.

        :param value: a path; an entry is counted as in any list.
        :param named: fields of the body, ``authorizer_appid="wx…"``; secrets are not kept and cannot be asked for.
        """
        if isinstance(value, Entry):
            return super().count(value)
        bodies = [each.body for each in self if each.path == value]
        return sum(not named or (isinstance(each, dict) and named.items() <= each.items()) for each in bodies)


class Redactor:
    """Known secrets, plain and URL-encoded; a known secret stays known."""

    __slots__ = ("_lengths", "_words")

    def __init__(self) -> None:
        self._words: set[str] = set()
        # Length of the beginning → the beginning → lengths of the words that begin so. The first key is STEM, and the
        # word's own length for a shorter one.
        self._lengths: dict[int, dict[str, set[int]]] = {}

    def add_all(self, words: Iterable[str]) -> None:
        """Learn secrets."""
        for word in words:
            self.add(word)

    def add(self, word: str) -> None:
        """Learn a secret; an empty one is none."""
        if not word or word in self._words:
            return
        for spelling in {word, quote(word, safe="")}:
            if spelling not in self._words:
                self._words.add(spelling)
                stem = spelling[:STEM]
                self._lengths.setdefault(len(stem), {}).setdefault(stem, set()).add(len(spelling))

    def hide(self, text: str) -> str:
        """Return a text without any of the secrets."""
        shown, done = [], 0
        for start, end in sorted(self._found(text), key=lambda span: (span[0], -span[1])):
            if end <= done:
                continue
            shown += [text[done:start], REDACTED]
            done = end
        return "".join([*shown, text[done:]]) if done else text

    def _found(self, text: str) -> list[tuple[int, int]]:
        spans = []
        for width, stems in self._lengths.items():
            places = [i for i in range(len(text) - width + 1) if text[i : i + width] in stems]
            for start in places:
                ends = (start + length for length in stems[text[start : start + width]])
                spans += [(start, end) for end in ends if text[start:end] in self._words]
        return spans

    def without_secrets(self, value: Any, own: Collection[str] = (), depth: int = 0) -> Any:
        """Return a JSON value without secrets, words of the caller, and values whose name sounds like a secret."""
        if depth > DEEPEST:
            raise ValueError("deeper than a journal has to show")
        if isinstance(value, dict):
            return {
                self.without(name, own): REDACTED
                if _SECRET_NAME.search(name)
                else self.without_secrets(item, own, depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self.without_secrets(item, own, depth + 1) for item in value]
        return self.without(value, own) if isinstance(value, str) else value

    def without(self, text: str, own: Collection[str] = ()) -> str:
        """Return a text without any of the secrets, and without the caller's own."""
        for spelling in own:
            text = text.replace(spelling, REDACTED)
        return self.hide(text)


def parsed_body(raw: bytes) -> Any:
    """Return the JSON value of a body; ``None`` for none, and for a body that is no JSON."""
    try:
        return json.loads(raw.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def shown_body(body: Any, raw: bytes, known: Redactor, own: Collection[str]) -> Any:
    """Return a parsed body as it may be shown, the beginning of its text where it is no JSON or nested too deep.

    :param own: the caller's tokens, taken out like the secrets, whether anyone knows them or not.
    """
    with suppress(ValueError, RecursionError):
        if body is not None or not raw:
            return known.without_secrets(body, own)
    return known.without(raw.decode(errors="replace"), own)[:LONGEST_TEXT]


def spellings(tokens: Iterable[str]) -> list[str]:
    """Return tokens plain and URL-encoded; the longest first, or one that begins another would leave its tail."""
    return sorted({each for token in tokens for each in (token, quote(token, safe=""))}, key=len, reverse=True)

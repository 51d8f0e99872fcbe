"""Words that nothing may show, found in a text at a cost that does not grow with their number.

A world of ten thousand merchants knows tens of thousands of secrets, and each call is written down. So a text is not
searched for each of them: every place of the text is looked up among their beginnings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

REDACTED = "***"
STEM = 8
DEEPEST = 50

_SECRET_NAME = re.compile(r"(token|secret|ticket|auth_?code|authorization_?code|aes_?key)$", re.IGNORECASE)


class Redactor:
    """Known secrets, plain and URL-encoded; what was once known stays known."""

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
        """Return a JSON value with every secret taken out, and every value whose name sounds like one.

        :param own: more words to take out, those of the caller.
        :raises ValueError: the value is nested deeper than a journal has to show.
        """
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
        spelt = {spelling for word in own for spelling in (word, quote(word, safe="")) if spelling}
        # Longest first, or a token that begins another would leave its tail.
        for spelling in sorted(spelt, key=len, reverse=True):
            text = text.replace(spelling, REDACTED)
        return self.hide(text)

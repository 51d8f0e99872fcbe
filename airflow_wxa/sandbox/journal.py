"""What was asked and answered, in order, without any token."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

REDACTED = "***"
LONGEST_TEXT = 2000
DEEPEST = 50

_SECRET_NAME = re.compile(r"(token|secret|ticket|authorization_code)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One call.

    :param appid: whose token was sent; None for a token that is nobody's.
    :param body: the parsed JSON, the text when it is no JSON, None when there was no body.
    :param errcode: what was answered, or what the work came to when the answer was lost on purpose; None when no
        work was done and no errcode was answered.
    :param time: epoch seconds by the world's clock.
    :param fault: the kind of the fault that was put in, None for an honest answer.
    """

    seq: int
    method: str
    path: str
    appid: str | None
    body: Any
    errcode: int | None
    time: float
    fault: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)


@dataclass(slots=True)
class Journal:
    """All calls since the start or the last reset; control paths are no calls."""

    entries: list[Entry] = field(default_factory=list)
    seq: int = 0

    def next_seq(self) -> int:
        """Return the number of the call that is being answered; it goes on counting after a reset."""
        self.seq += 1
        return self.seq


def shown_body(raw: bytes, tokens: Collection[str]) -> Any:
    """Return a body as it may be shown.

    :param tokens: words to take out wherever they stand, values of secret-sounding names go in any case.
    """
    if not raw:
        return None
    text = raw.decode(errors="replace")
    try:
        value = json.loads(text)
        every = "\n".join(_strings(value))
    except (ValueError, RecursionError):
        return redacted(text, tokens)[:LONGEST_TEXT]
    return _without(value, [token for token in _spellings(frozenset(tokens)) if token in every])


def redacted(text: str, tokens: Collection[str]) -> str:
    """Return a text without these tokens, plain or URL-encoded."""
    for token in _spellings(frozenset(tokens)):
        text = text.replace(token, REDACTED)
    return text


@lru_cache(maxsize=4)
def _spellings(tokens: frozenset[str]) -> list[str]:
    # Kept, because a world of thousands of merchants asks for the same set at each call. Longest first, or a token
    # that begins another would leave its tail.
    spelt = {spelling for token in tokens for spelling in (token, quote(token, safe="")) if spelling}
    return sorted(spelt, key=len, reverse=True)


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > DEEPEST:
        raise ValueError("deeper than a journal has to show")
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, depth + 1)
    elif isinstance(value, str):
        yield value


def _without(value: Any, tokens: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            redacted(name, tokens): REDACTED if _SECRET_NAME.search(name) else _without(item, tokens)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_without(item, tokens) for item in value]
    return redacted(value, tokens) if isinstance(value, str) else value

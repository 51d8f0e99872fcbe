"""What was asked and answered, in order, without any token."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_wxa.sandbox.redaction import Redactor

LONGEST_TEXT = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One call.

    :param appid: whose token was sent, or the platform that a call without a token names; None for nobody's token.
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

    def names(self, named: dict[str, object]) -> bool:
        """Tell whether the body holds all these values."""
        return not named or (isinstance(self.body, dict) and named.items() <= self.body.items())


class Entries(list[Entry]):
    """Calls, oldest first."""

    def count(self, value: Entry | str, /, **named: object) -> int:
        """Return how often a path was called.

        :param value: a path; an entry is counted as in any list.
        :param named: what the body held, ``authorizer_appid="wx…"``; secrets are not kept and cannot be asked for.
        """
        if isinstance(value, Entry):
            return super().count(value)
        return sum(each.path == value and each.names(named) for each in self)


@dataclass(slots=True)
class Journal:
    """All calls since the start or the last reset; control paths are no calls."""

    entries: Entries = field(default_factory=Entries)
    seq: int = 0

    def count(self, path: str, **named: object) -> int:
        """Return how often a path was called, see :meth:`Entries.count`."""
        return self.entries.count(path, **named)

    def counts(self) -> dict[str, int]:
        """Return the number of calls of each path that was called."""
        return dict(Counter(each.path for each in self.entries))

    def next_seq(self) -> int:
        """Return the number of the call that is being answered; it goes on counting after a reset."""
        self.seq += 1
        return self.seq


def shown_body(raw: bytes, known: Redactor, own: Collection[str]) -> Any:
    """Return a body as it may be shown.

    :param known: secrets to take out wherever they stand; values of secret-sounding names go in any case.
    :param own: the caller's tokens, which go too, whether anyone knows them or not.
    """
    if not raw:
        return None
    text = raw.decode(errors="replace")
    try:
        return known.without_secrets(json.loads(text), own)
    except (ValueError, RecursionError):
        return known.without(text, own)[:LONGEST_TEXT]

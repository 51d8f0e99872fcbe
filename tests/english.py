"""Finds sentences that were left in English where a text is read in another language."""

from __future__ import annotations

import re

#: Four words on end; what is written as code, an address or a fence of a diff is no sentence.
_SENTENCE = re.compile(r"[A-Za-z']+(?: [A-Za-z']+){2,}")
_CODE = re.compile(r"```.*?```|`[^`]*`|https?://\S+", re.DOTALL)


def english_in(*texts: str) -> list[str]:
    """Return the sentences of texts that a reader of another language would meet."""
    return [found for text in texts for found in _SENTENCE.findall(_CODE.sub("", text))]

"""Finds sentences that were left in English where a text is read in another language."""

import re

#: Three words on end; code, a command, an address or a name of Airflow's or WeChat's is no sentence.
_SENTENCE = re.compile(r"[A-Za-z']+(?: [A-Za-z']+){2,}")
_CODE = re.compile(
    r"```.*?```|`[^`]*`|https?://\S+|python -c '[^']*'|airflow[- ]wxa [a-z-]+( [a-z-]+)*|WeChat Mini Program platform",
    re.DOTALL,
)


def english_in(*texts: str) -> list[str]:
    """Return the sentences of texts that a reader of another language would meet."""
    return [found for text in texts for found in _SENTENCE.findall(_CODE.sub("", text))]

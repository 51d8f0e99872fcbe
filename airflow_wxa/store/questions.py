"""A question that a person answers: facts as data, each with its source, and the digest that a decision names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that a question shows, as JSON.

    :param source: the read of WeChat's, the ledger, or the run's own params; never an XCom.
    :param named: the decision names it: the task that carries the decision out proves it again right before its write.
    """

    value: Any
    source: str
    named: bool = True


def told(source: str, *, named: bool = False, **values: Any) -> dict[str, Fact]:
    """Return facts of one source by their names."""
    return {name: Fact(value, source, named) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a person: the text that is shown is a function of this alone.

    :param asks: the deed, in the word of the approval that asks: ``release``, ``rollback``, ``plan``, …
    :param facts: by name.
    :param nonce: of the run.
    """

    asks: str
    facts: Mapping[str, Fact]
    nonce: str = ""
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        whole = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "digest", hashlib.sha256(whole.encode()).hexdigest())

    def __getitem__(self, name: str) -> Any:
        """Return the value of a fact."""
        return self.facts[name].value

    @property
    def line(self) -> str:
        """The last line of the text that is shown: Airflow shows this question if it shows this line."""
        return f"question {self.digest}"

    @property
    def said(self) -> dict[str, Any]:
        """Facts that a decision on it names."""
        return {name: fact.value for name, fact in self.facts.items() if fact.named} | {"question": self.digest}

    def to_json(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        facts = {name: asdict(fact) for name, fact in self.facts.items()}
        return {"asks": self.asks, "facts": facts, "nonce": self.nonce}


def values_of(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a question that the ledger keeps: name → value."""
    return {name: fact["value"] for name, fact in question.get("facts", {}).items()}

"""Each outcome says what is now true in every language."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_wxa.steps import outcome as outcomes
from airflow_wxa.texts import ENGLISH, Text, in_language, templates
from tests.english import english_in

APPID = "wx0123456789abcdef"
MANY = tuple(f"https://h{number}.example.com" for number in range(12))
#: Keys of sentences that an outcome does not put together itself.
BY_WORD = re.compile("outcome_(commit|gray|submit|template|withdraw)_")
DOMAINS: dict[str, Any] = {"appid": APPID, "action": "add"}
SAID: list[Any] = [
    outcomes.DomainOutcome("configured", **DOMAINS, before=(), after=MANY, added=MANY, will_be_lost=MANY),
    outcomes.DomainOutcome("unchanged", **DOMAINS, after=None),
    outcomes.DomainOutcome("configured", **DOMAINS, after=(), will_be_lost=()),
    outcomes.DomainOutcome("individual", **DOMAINS),
    outcomes.DomainOutcome("platform_list_empty", **DOMAINS),
    outcomes.PlatformOutcome("registered", "add", None, None),
    outcomes.PlatformOutcome("unchanged", "add", MANY, MANY),
    outcomes.DomainListsOutcome(
        "configured", APPID, "modify_domain_directly", "add", {}, {"requestdomain": list(MANY)}
    ),
    outcomes.DomainListsOutcome("unchanged", APPID, "modify_domain", "add", {}, {}),
    outcomes.AccountOutcome(
        "ready", APPID, (Text("profile_needs_a_platform_token"),), (Text("filing_is_under_way", status=2),)
    ),
    outcomes.PrivacySettingOutcome("written", APPID, 2),
    outcomes.PrivacySettingOutcome("unchanged", APPID, 1),
    outcomes.TemplateOutcome("added", 47, 3, "1.4.0", ""),
    outcomes.TemplateOutcome("unchanged", 47, 3, "1.4.0", ""),
    outcomes.CommitOutcome("committed", APPID, "1.4.0", "1a2b3c4d"),
    outcomes.CommitOutcome("unchanged", APPID, "1.4.0", "1a2b3c4d"),
    outcomes.SubmitOutcome("submitted", APPID, "1.4.0", "7"),
    outcomes.SubmitOutcome("adopted", APPID, "1.4.0", "7"),
    outcomes.ReleaseOutcome("released", APPID, "", 0, None),
    outcomes.ReleaseOutcome("already_released", APPID, "1.4.0", 1_700_000_000, MANY, MANY),
    outcomes.GrayOutcome("raised", APPID, 10, "running"),
    outcomes.GrayOutcome("unchanged", APPID, 10, "running"),
    outcomes.GrayOutcome("reverted", APPID, 10, "deleted"),
    outcomes.GrayOutcome("already_reverted", APPID, 10, "deleted"),
    outcomes.WithdrawOutcome("withdrawn", APPID, "7", 4),
    outcomes.WithdrawOutcome("already_withdrawn", APPID, "7", 4),
    outcomes.RollbackOutcome("rolled_back", APPID, "1.3.0", "12"),
    outcomes.RollbackOutcome("already_rolled_back", APPID, "1.3.0", "12", left=("1.2.0",)),
]


@pytest.mark.parametrize("outcome", SAID)
def test_an_outcome_is_said_in_chinese(outcome: Any) -> None:
    words = outcome.in_words()
    assert isinstance(words, Text)
    assert english_in(in_language(words, "zh")) == []


def test_every_outcome_that_says_something_is_among_them() -> None:
    kinds = {each for each in vars(outcomes).values() if isinstance(each, type) and "in_words" in vars(each)}
    assert kinds - {outcomes._Outcome} <= {type(each) for each in SAID}
    by_word = {f"outcome_{type(each).__name__.removesuffix('Outcome').lower()}_{each.outcome}" for each in SAID}
    assert {key for key in templates(ENGLISH) if BY_WORD.match(key)} <= by_word

"""Each outcome says what is now true in every language."""

import re
from typing import Any

from airflow_wxa.steps import outcome as outcomes
from airflow_wxa.texts import ENGLISH, Text, in_language, templates
from tests.english import english_in
from tests.tables import each_row

APPID = "wx0123456789abcdef"
ORIGIN = "https://m.example.com"
MANY = tuple(f"https://h{number}.example.com" for number in range(12))
#: Keys of sentences that an outcome does not put together itself.
BY_WORD = re.compile("outcome_(commit|gray|submit|template|withdraw)_")
DOMAINS: dict[str, Any] = {"appid": APPID, "action": "add"}
ONE: dict[str, Any] = DOMAINS | {"before": (), "after": (ORIGIN,), "added": (ORIGIN,)}
COMMIT, SUBMIT = (APPID, "1.4.0", "1a2b3c4d"), (APPID, "1.4.0", "4711")
#: An outcome, and what of its sentence matters.
SAID: list[tuple[Any, str]] = [
    (outcomes.DomainOutcome("configured", **ONE), f"business domains of {APPID}: {ORIGIN} (1 added, 0 removed)"),
    (
        outcomes.DomainOutcome("configured", **DOMAINS, before=(), after=MANY, added=MANY, will_be_lost=MANY),
        "https://h9.example.com and 2 more",
    ),
    (outcomes.DomainOutcome("unchanged", **DOMAINS, after=()), f"business domains of {APPID}: none (as before"),
    (outcomes.DomainOutcome("configured", **DOMAINS), f"domains of {APPID}: WeChat did not say which (changed)"),
    (outcomes.DomainOutcome("configured", **DOMAINS, after=(), will_be_lost=()), "none"),
    (outcomes.DomainOutcome("individual", **DOMAINS), "an individual's Mini Program"),
    (outcomes.DomainOutcome("platform_list_empty", **DOMAINS), "registered no business domain"),
    (
        outcomes.PlatformOutcome("registered", "add", None, ("a.com",), added=("a.com",)),
        "merchants: a.com (1 added, 0 removed)",
    ),
    (outcomes.PlatformOutcome("unchanged", "add", MANY, None), "no published version (as before)"),
    (
        outcomes.DomainListsOutcome(
            "configured", APPID, "modify_domain_directly", "add", {}, {"requestdomain": list(MANY)}
        ),
        "and 2 more",
    ),
    (outcomes.DomainListsOutcome("unchanged", APPID, "modify_domain", "add", {}, {}), "as before"),
    (
        outcomes.AccountOutcome(
            "ready", APPID, (Text("profile_needs_a_platform_token"),), (Text("filing_is_under_way", status=2),)
        ),
        APPID,
    ),
    (outcomes.PrivacySettingOutcome("written", APPID, 2), "goes live with the release"),
    (outcomes.PrivacySettingOutcome("unchanged", APPID, 1), "is live"),
    (outcomes.TemplateOutcome("added", 47, 3, "1.4.0", ""), "47"),
    (outcomes.TemplateOutcome("unchanged", 47, 3, "1.4.0", ""), "47"),
    (outcomes.CommitOutcome("committed", *COMMIT), f"1.4.0 of {APPID} is the trial version"),
    (outcomes.CommitOutcome("unchanged", *COMMIT), "nothing was uploaded"),
    (outcomes.SubmitOutcome("submitted", *SUBMIT), "is submitted for audit: sheet 4711"),
    (outcomes.SubmitOutcome("adopted", *SUBMIT), "its sheet is adopted: sheet 4711"),
    (
        outcomes.ReleaseOutcome("released", APPID, "1.4.0", 1_764_136_920, effective=(ORIGIN,)),
        f"1.4.0 of {APPID} is online since 2025-11-26 14:02 (UTC+8); effective business domains: {ORIGIN}",
    ),
    (
        outcomes.ReleaseOutcome("released", APPID, "", 0, None),
        f"the released version of {APPID} is online; effective b",
    ),
    (outcomes.ReleaseOutcome("already_released", APPID, "1.4.0", 1_700_000_000, MANY, MANY), "and 2 more"),
    *[(outcomes.GrayOutcome(word, APPID, 10, "running"), APPID) for word in ("raised", "unchanged")],
    *[(outcomes.GrayOutcome(word, APPID, 10, "deleted"), APPID) for word in ("reverted", "already_reverted")],
    *[(outcomes.WithdrawOutcome(word, APPID, "7", 4), APPID) for word in ("withdrawn", "already_withdrawn")],
    (outcomes.RollbackOutcome("rolled_back", APPID, "1.3.0", "12"), "left to roll back to: nothing"),
    (outcomes.RollbackOutcome("already_rolled_back", APPID, "1.3.0", "12", left=("1.2.0",)), "roll back to: 1.2.0"),
]


@each_row("outcome, told", SAID)
def test_an_outcome_says_what_is_now_true_also_in_chinese(outcome: Any, told: str) -> None:
    words = outcome.in_words()
    assert isinstance(words, Text)
    assert told in words
    assert english_in(in_language(words, "zh")) == []


def test_every_outcome_that_says_something_is_among_them() -> None:
    kinds = {each for each in vars(outcomes).values() if isinstance(each, type) and "in_words" in vars(each)}
    assert kinds - {outcomes._Outcome} <= {type(each) for each, _ in SAID}
    by_word = {f"outcome_{type(each).__name__.removesuffix('Outcome').lower()}_{each.outcome}" for each, _ in SAID}
    assert {key for key in templates(ENGLISH) if BY_WORD.match(key)} <= by_word

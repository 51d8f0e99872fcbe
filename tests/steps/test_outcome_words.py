"""What a task's last line says is now true."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_wxa.steps import CommitOutcome, DomainOutcome, PlatformOutcome, ReleaseOutcome, SubmitOutcome

APPID = "wx0123456789abcdef"
ORIGIN = "https://m.example.com"

WORDS: list[tuple[Any, str]] = [
    (
        DomainOutcome("configured", APPID, "add", before=(), after=(ORIGIN,), added=(ORIGIN,)),
        f"business domains of {APPID}: {ORIGIN} (1 added, 0 removed)",
    ),
    (DomainOutcome("unchanged", APPID, "set", 89019, before=(), after=()), f"business domains of {APPID}: none (as be"),
    (DomainOutcome("configured", APPID, None), f"business domains of {APPID}: WeChat did not say which (changed)"),
    (DomainOutcome("platform_list_empty", APPID, "add", 89020), "registered no business domain"),
    (DomainOutcome("individual", APPID, "add", 89231), "an individual's Mini Program"),
    (PlatformOutcome("registered", "add", None, ("a.com",), added=("a.com",)), "merchants: a.com (1 added, 0 removed)"),
    (PlatformOutcome("unchanged", "get", (), None), "no published version (as before)"),
    (CommitOutcome("committed", APPID, "1.4.0", "1a2b3c4d"), f"1.4.0 of {APPID} is the trial version"),
    (CommitOutcome("unchanged", APPID, "1.4.0", "1a2b3c4d"), "nothing was uploaded"),
    (SubmitOutcome("submitted", APPID, "1.4.0", "4711"), "is submitted for audit: sheet 4711"),
    (SubmitOutcome("adopted", APPID, "1.4.0", "4711"), "its sheet is adopted: sheet 4711"),
    (
        ReleaseOutcome("released", APPID, "1.4.0", 1_764_136_920, effective=(ORIGIN,)),
        f"1.4.0 of {APPID} is online since 2025-11-26 14:02 (UTC+8); effective business domains: {ORIGIN}",
    ),
    (ReleaseOutcome("already_released", APPID, ""), f"the released version of {APPID} is online; effective business"),
    (
        ReleaseOutcome("released", APPID, "1", effective=tuple(f"https://{n}.example.com" for n in range(12))),
        "https://9.example.com and 2 more",
    ),
]


@pytest.mark.parametrize(("outcome", "words"), WORDS)
def test_an_outcome_says_what_is_now_true(outcome: Any, words: str) -> None:
    assert words in outcome.in_words()

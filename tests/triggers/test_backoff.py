from __future__ import annotations

import random
from datetime import timedelta
from itertools import islice, pairwise

import pytest

from airflow_wxa.triggers import WxaAuditTrigger
from airflow_wxa.triggers.polling import backoff, clock

LONGEST = WxaAuditTrigger.longest_pause


def longest_pauses(first: float, longest: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return what pauses may be at most, one after the other."""
    monkeypatch.setattr(random, "uniform", lambda _shortest, most: most)
    return list(islice(backoff(first, longest), 12))


def test_pauses_grow_by_half_to_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LONGEST == 900
    pauses = longest_pauses(60, LONGEST, monkeypatch)
    assert pauses[:4] == [60, 90, 135, 202.5]
    assert pauses[-1] == 900


@pytest.mark.parametrize(("first", "longest"), [(60, 0), (3600, LONGEST)])
def test_pauses_that_begin_at_their_longest_stay(first: float, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(longest_pauses(first, longest, monkeypatch)) == {first}


def test_no_pause_but_the_first_is_much_shorter_than_its_interval() -> None:
    assert all(45 <= pause <= 60 for pause in islice(backoff(60, 60), 1, 1000))


def test_thousands_that_start_at_once_spread_over_the_whole_interval() -> None:
    firsts = sorted(next(backoff(60, LONGEST)) for _ in range(2000))
    assert firsts[0] < 1
    assert firsts[-1] > 59
    assert max(later - earlier for earlier, later in pairwise(firsts)) < 1


def test_a_wait_without_end_is_shown_as_a_time() -> None:
    assert clock(timedelta.max.total_seconds()) == "9999-12-31 23:59:59 UTC"

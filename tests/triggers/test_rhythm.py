from __future__ import annotations

from itertools import pairwise

import pytest

from airflow_wxa.triggers.rhythm import LONGEST_PAUSE, Rhythm


def intervals(first: float, longest: float, count: int = 12) -> list[float]:
    """Return what pauses may be at most, one after the other."""
    rhythm = Rhythm(first, longest)
    found = []
    for _ in range(count):
        found.append(rhythm._coming)
        rhythm.pause()
    return found


def test_pauses_grow_by_half_to_a_quarter_of_an_hour() -> None:
    assert LONGEST_PAUSE == 900
    assert intervals(60, LONGEST_PAUSE)[:4] == [60, 90, 135, 202.5]
    assert intervals(60, LONGEST_PAUSE)[-1] == 900


@pytest.mark.parametrize(("first", "longest"), [(60, 0), (3600, LONGEST_PAUSE)])
def test_pauses_that_begin_at_their_longest_stay(first: float, longest: float) -> None:
    assert set(intervals(first, longest)) == {first}


def test_no_pause_is_longer_than_its_interval_or_much_shorter() -> None:
    rhythm = Rhythm(60, 60)
    rhythm.pause()
    assert all(45 <= rhythm.pause() <= 60 for _ in range(1000))


def test_thousands_that_start_at_once_spread_over_the_whole_interval() -> None:
    firsts = sorted(Rhythm(60, LONGEST_PAUSE).pause() for _ in range(2000))
    assert firsts[0] < 1
    assert firsts[-1] > 59
    assert max(later - earlier for earlier, later in pairwise(firsts)) < 1


def test_a_restart_goes_back_to_the_shortest_pause() -> None:
    rhythm = Rhythm(60, LONGEST_PAUSE)
    for _ in range(8):
        rhythm.pause()
    rhythm.restart()
    assert rhythm.pause() <= 60

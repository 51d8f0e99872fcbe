from __future__ import annotations

import signal

import pytest

from airflow_wxa.cli.demo.interruption import SIGNALS, Interrupted, interruptible, uninterrupted


@pytest.mark.parametrize("signum", SIGNALS)
def test_each_signal_interrupts_and_is_named(signum: signal.Signals) -> None:
    with pytest.raises(Interrupted, match=signum.name) as interrupted, interruptible():
        signal.raise_signal(signum)
    assert interrupted.value.signum == signum


def test_a_second_signal_does_not_cut_cleaning_up_short() -> None:
    cleaned = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)

    with pytest.raises(Interrupted, match="SIGTERM"), interruptible():
        work()
    assert cleaned == [True]


def test_the_handlers_before_are_put_back() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with interruptible(), uninterrupted():
        assert [signal.getsignal(each) for each in SIGNALS] != before
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_signal_waits_until_the_block_is_over() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(Interrupted, match="SIGINT"), interruptible():
        work()
    assert done == [True]


def test_nohup_keeps_its_meaning() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

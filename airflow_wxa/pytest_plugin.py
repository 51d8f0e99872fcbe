"""Fixtures that pytest finds where this package is installed; none imports anything before a test asks for it.

``wxa_world`` (override it) is the state of an emulated WeChat, ``wxa_sandbox`` serves it, ``wxa_connection`` puts it
behind the Connection ``wxa_default``, which ``wxa_default`` does as well.
"""
# ruff: noqa: PLC0415, SLF001  (whoever tests something else must not pay for these; pauses are shortened where they are)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.sandbox import RunningSandbox, World


@pytest.fixture
def wxa_world() -> World:
    """Return one published platform with ``example.com``, one Mini Program and template 47; override it freely."""
    from airflow_wxa.sandbox.testing import one_merchant

    return one_merchant()


@pytest.fixture
def wxa_sandbox(wxa_world: World) -> Iterator[RunningSandbox]:
    """Serve ``wxa_world`` on a free port while the test runs."""
    from airflow_wxa.sandbox import serve

    with serve(wxa_world) as running:
        yield running


@pytest.fixture
def wxa_connection(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put ``wxa_sandbox`` behind a Connection, and return its id; pauses and polls are as many, but take no time."""
    from airflow_wxa.client import delivery
    from airflow_wxa.steps import lag

    monkeypatch.setattr(lag, "_PAUSES", (0.0,) * len(lag._PAUSES))
    monkeypatch.setattr(delivery, "PAUSES", (0.0,) * len(delivery.PAUSES))
    for name in ("PRIVACY", "AUDIT"):
        monkeypatch.setenv(f"AIRFLOW__WXA__{name}_POLL_SECONDS", "0.01")
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", wxa_sandbox.connection())
    return "wxa_default"


@pytest.fixture
def wxa_default(wxa_sandbox: RunningSandbox, wxa_connection: str) -> RunningSandbox:  # noqa: ARG001
    """Serve ``wxa_world`` behind the Connection ``wxa_default``."""
    return wxa_sandbox

"""Which Connections exist for the receiver, and how often Airflow is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.plugins import connections
from airflow_wxa.plugins.connections import PushConnection, PushConnections, read_push_connection
from airflow_wxa.sandbox.testing import COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from tests.plugins.receiving import push_connection

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "conn_type": "wxa",
    "login": COMPONENT_APPID,
    "extra": {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY},
}


@pytest.fixture(autouse=True)
def airflow(airflow_database: Path) -> None:
    """A Connection that is not in the environment is looked for in the database."""


def read(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> PushConnection | None:
    monkeypatch.setenv("AIRFLOW_CONN_PUSHED", json.dumps(GOOD | changes))
    return read_push_connection("pushed")


def test_a_connection_with_push_fields_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch)
    assert found is not None
    assert found.keys.component_appid == COMPONENT_APPID
    assert found.keys.previous_encoding_aes_key is None


@pytest.mark.parametrize(
    "changes",
    [
        {"conn_type": "http"},
        {"login": ""},
        {"extra": {"encoding_aes_key": ENCODING_AES_KEY}},
        {"extra": {"push_token": PUSH_TOKEN}},
        {"extra": {"push_token": PUSH_TOKEN, "encoding_aes_key": "short"}},
        {"extra": {}},
    ],
)
def test_any_other_connection_is_not_there(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    assert read(monkeypatch, **changes) is None


def test_no_connection_is_no_error() -> None:
    assert read_push_connection("nobody") is None


def test_a_connection_is_looked_up_once_in_a_while() -> None:
    asked: list[str] = []

    def look_up(wxa_conn_id: str) -> PushConnection | None:
        asked.append(wxa_conn_id)
        return push_connection() if wxa_conn_id == "wxa_default" else None

    found = PushConnections(look_up)
    for _ in range(3):
        assert found.find("wxa_default") is not None
        assert found.find("nobody") is None
    assert asked == ["wxa_default", "nobody"]


def test_made_up_ids_push_no_connection_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_KEPT", 3)
    asked: list[str] = []

    def look_up(wxa_conn_id: str) -> PushConnection | None:
        asked.append(wxa_conn_id)
        return push_connection() if wxa_conn_id == "wxa_default" else None

    found = PushConnections(look_up)
    for wxa_conn_id in ("wxa_default", *map(str, range(10)), "wxa_default"):
        found.find(wxa_conn_id)
    assert asked.count("wxa_default") == 1

"""Which Connections exist for the receiver, and how often Airflow is asked."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_wxa.errors import WxaTransportError
from airflow_wxa.plugins import connections
from airflow_wxa.plugins.connections import PushConnection, PushConnections, push_conn_ids, read_push_connection
from airflow_wxa.sandbox.testing import COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from tests.plugins.receiving import connection, push_connection

# A Connection that is not in the environment is looked for in the database.
pytestmark = pytest.mark.usefixtures("airflow_database")
GOOD = json.loads(connection())


def read(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> PushConnection | None:
    monkeypatch.setenv("AIRFLOW_CONN_PUSHED", json.dumps(GOOD | changes))
    return read_push_connection("pushed")


def test_a_connection_with_push_fields_is_found_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch)
    assert found is not None
    assert (found.keys.component_appid, found.keys.previous_encoding_aes_key) == (COMPONENT_APPID, None)
    for changes in (
        {"conn_type": "http"},
        {"login": ""},
        {"extra": {"encoding_aes_key": ENCODING_AES_KEY}},
        {"extra": {"push_token": PUSH_TOKEN}},
        {"extra": {"push_token": PUSH_TOKEN, "encoding_aes_key": "short"}},
        {"extra": {}},
    ):
        assert read(monkeypatch, **changes) is None, changes
    with pytest.raises(WxaTransportError, match="AirflowNotFoundException"):  # it may be there in a moment
        read_push_connection("nobody")


def test_the_option_lists_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    assert push_conn_ids() == ["wxa_default"]
    for option, listed in (("", ["wxa_default"]), ("one, two,", ["one", "two"])):
        monkeypatch.setenv("AIRFLOW__WXA__PUSH_CONN_IDS", option)
        assert push_conn_ids() == listed


def slowly(_: str) -> PushConnection:
    time.sleep(0.5)
    return push_connection()


def test_a_connection_is_looked_up_once_for_all_threads_and_only_if_it_is_listed() -> None:
    look_up = Mock(side_effect=slowly)
    found = PushConnections(["wxa_default"], look_up)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(found.find, ["wxa_default"] * 8))
    assert found.find("wxa_default") is not None
    assert found.find("nobody") is None
    look_up.assert_called_once_with("wxa_default")


def test_a_look_up_that_hangs_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_LOOK_UP_SECONDS", 0.01)
    found = PushConnections(["wxa_default"], slowly)
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(found.find, "wxa_default")
        time.sleep(0.1)
        with pytest.raises(WxaTransportError, match="takes its time"):
            found.find("wxa_default")
        assert hanging.result() is not None


def test_what_failed_is_looked_up_again_soon_and_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = Mock(side_effect=[WxaTransportError("could not be looked up"), None, push_connection()])
    found = PushConnections(["wxa_default"], look_up)
    for _ in range(3):
        with pytest.raises(WxaTransportError):
            found.find("wxa_default")
    assert look_up.call_count == 1
    monkeypatch.setattr(connections, "_FAILED_SECONDS", 0)
    found._found.clear()
    assert found.find("wxa_default") is None
    assert found.find("wxa_default") is not None


def test_a_connection_of_a_team_is_listed_with_its_team(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TEAM_A/PUSHED", json.dumps(GOOD | {"login": "wx00000000000000c3"}))
    monkeypatch.setenv("AIRFLOW_CONN__TEAM_A___PUSHED", json.dumps(GOOD))
    monkeypatch.setenv("AIRFLOW_CONN__TEAM_B___PUSHED", json.dumps(GOOD | {"login": "wx00000000000000c2"}))

    def platform(wxa_conn_id: str) -> str:
        found = read_push_connection(wxa_conn_id)
        return found.keys.component_appid if found else ""

    assert platform("team_a/pushed") == "wx00000000000000c3"  # without teams a slash belongs to the id
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    assert [platform(f"team_{team}/pushed") for team in "ab"] == [COMPONENT_APPID, "wx00000000000000c2"]
    with pytest.raises(WxaTransportError):
        platform("pushed")

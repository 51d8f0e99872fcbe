"""From the emulated WeChat to the store and back: its own encoder, real HTTP, Airflow's Connection."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet

from airflow_wxa.hooks.store import open_store
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store import Credential
from tests.plugins.receiving import KEYS, connection, query, served, xml
from tests.real_airflow.airflows import until
from tests.sealing import sealed


@pytest.fixture
def pushing(
    wxa_sandbox: RunningSandbox, airflow_database: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    """A sandbox whose platform pushes to a receiver that Airflow's settings describe."""
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_sandbox.url))
    platform = wxa_sandbox.world.platforms[0]
    with served(create_receiver()) as receiver:
        platform.push_url = f"{receiver}/wxa_default/authorisation"
        platform.message_url = f"{receiver}/wxa_default/message/$APPID$"
        yield wxa_sandbox


def exchanged() -> Credential:
    """Wait for the exchange of a code, and return what came of it."""
    return until(lambda: open_store().merchant(COMPONENT_APPID, APPID), "the exchange", 5)


@pytest.mark.parametrize("event", ["authorized", "updateauthorized"])
def test_pushes_end_in_the_store(pushing: RunningSandbox, event: str) -> None:
    assert pushing.push_ticket().text == "success"
    seen = open_store().platform(COMPONENT_APPID)
    assert seen is not None
    assert seen.renewal is not None
    assert seen.renewal.reveal() in pushing.world.platforms[0].tickets
    push = pushing.compose(event, APPID)  # type: ignore[arg-type]
    assert [pushing.send(push).text, pushing.send(push).text] == ["success", "success"]
    row = exchanged()
    assert (row.state, row.renewal is not None, bool(row.granted)) == ("authorised", True, True)
    assert pushing.journal.count("/cgi-bin/component/api_query_auth") == 1
    assert pushing.push("unauthorized", APPID).text == "success"
    assert open_store().merchants(COMPONENT_APPID)[APPID].state == "withdrawn"
    for audit in ("weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay"):
        assert pushing.push(audit, APPID).text == "success"  # type: ignore[arg-type]
        (kept,) = open_store().pushes(COMPONENT_APPID, [audit])
        assert kept.told["appid"] == APPID


def test_the_code_of_a_mini_program_that_was_registered_is_exchanged(pushing: RunningSandbox) -> None:
    pushing.push_ticket()
    code, now = pushing.world.authorise(APPID), int(time.time())
    fields = {"appid": APPID, "status": 0, "auth_code": code, "msg": "OK"}
    fields["info"] = "<legal_persona_name>张三</legal_persona_name>"
    kind = "notify_third_fasteregister"
    envelope = sealed(KEYS, xml(AppId=COMPONENT_APPID, CreateTime=now, InfoType=kind, **fields), timestamp=now)
    url = pushing.world.platforms[0].push_url
    assert requests.post(url, params=query(envelope), data=envelope.body, timeout=5).text == "success"
    assert exchanged().renewal is not None


def test_a_failed_exchange_is_answered_and_logged(pushing: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    assert pushing.push("authorized", APPID).text == "success"  # no ticket came before
    until(lambda: "was not exchanged" in caplog.text, "the failure")
    assert f"the authorisation of {APPID} was not exchanged: api_component_token not sent" in caplog.text
    assert "queryauthcode" not in caplog.text


def test_a_code_is_left_to_the_company_token_server(pushing: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(pushing.url, token_url="https://tokens.example.com/t"))
    pushing.push_ticket()
    assert pushing.push("authorized", APPID).text == "success"
    time.sleep(0.2)
    assert pushing.journal.count("/cgi-bin/component/api_query_auth") == 0

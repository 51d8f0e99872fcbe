"""From the emulated WeChat to the store and back: its own encoder, real HTTP, Airflow's Connection."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet

from airflow_wxa.hooks.store import open_store
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import (
    APPID,
    COMPONENT_APPID,
    COMPONENT_APPSECRET,
    ENCODING_AES_KEY,
    PUSH_TOKEN,
)
from airflow_wxa.store import Credential
from tests.plugins.receiving import KEYS, query, served, xml
from tests.sealing import sealed


@pytest.fixture
def pushing(
    wxa_sandbox: RunningSandbox, airflow_database: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    """A sandbox whose platform pushes to a receiver that Airflow's settings describe."""
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_sandbox))
    platform = wxa_sandbox.world.platforms[0]
    with served(create_receiver()) as receiver:
        platform.push_url = f"{receiver}/wxa_default/authorisation"
        platform.message_url = f"{receiver}/wxa_default/message/$APPID$"
        yield wxa_sandbox


def connection(sandbox: RunningSandbox, **extra: str) -> str:
    return json.dumps(
        {
            "conn_type": "wxa",
            "host": sandbox.url,
            "login": COMPONENT_APPID,
            "password": COMPONENT_APPSECRET,
            "extra": {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY} | extra,
        }
    )


def stored() -> Mapping[str, Credential]:
    return open_store().merchants(COMPONENT_APPID)


@pytest.mark.parametrize("event", ["authorized", "updateauthorized"])
def test_pushes_end_in_the_store(pushing: RunningSandbox, event: str) -> None:
    assert pushing.push_ticket().text == "success"
    seen = open_store().platform(COMPONENT_APPID)
    assert seen is not None
    assert seen.renewal is not None
    assert seen.renewal.reveal() in pushing.world.platforms[0].tickets
    push = pushing.compose(event, APPID)  # type: ignore[arg-type]
    assert [pushing.send(push).text, pushing.send(push).text] == ["success", "success"]
    wait_for_exchange()
    row = stored()[APPID]
    assert (row.state, row.renewal is not None, bool(row.granted)) == ("authorised", True, True)
    assert pushing.journal.count("/cgi-bin/component/api_query_auth") == 1
    assert pushing.push("unauthorized", APPID).text == "success"
    assert stored()[APPID].state == "withdrawn"
    for audit in ("weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay"):
        assert pushing.push(audit, APPID).text == "success"  # type: ignore[arg-type]
        (kept,) = open_store().pushes(COMPONENT_APPID, [audit])
        assert kept.told["appid"] == APPID


def test_the_code_of_a_mini_program_that_was_registered_is_exchanged(pushing: RunningSandbox) -> None:
    pushing.push_ticket()
    code, now = pushing.world.authorise(APPID), int(time.time())
    pushed = xml(
        AppId=COMPONENT_APPID,
        CreateTime=now,
        InfoType="notify_third_fasteregister",
        appid=APPID,
        status=0,
        auth_code=code,
        msg="OK",
        info="<legal_persona_name>张三</legal_persona_name>",
    )
    envelope = sealed(KEYS, pushed, timestamp=now)
    url = pushing.world.platforms[0].push_url
    assert requests.post(url, params=query(envelope), data=envelope.body, timeout=5).text == "success"
    wait_for_exchange()
    assert stored()[APPID].renewal is not None


def test_a_code_that_cannot_be_exchanged_is_answered_and_logged(
    pushing: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert pushing.push("authorized", APPID).text == "success"  # no ticket came before
    for _ in range(200):
        if "was not exchanged" in caplog.text:
            break
        time.sleep(0.02)
    assert f"the authorisation of {APPID} was not exchanged: api_component_token not sent" in caplog.text
    assert "queryauthcode" not in caplog.text


def test_a_code_is_left_to_the_company_token_server(pushing: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(pushing, token_url="https://tokens.example.com/t"))
    pushing.push_ticket()
    assert pushing.push("authorized", APPID).text == "success"
    time.sleep(0.2)
    assert pushing.journal.count("/cgi-bin/component/api_query_auth") == 0


def wait_for_exchange() -> None:
    for _ in range(200):
        if APPID in stored():
            return
        time.sleep(0.02)
    raise AssertionError("the code was not exchanged")

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_wxa.sandbox.exchange import Request
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat

CANARY = "canary+token/with=signs"


def test_calls_are_written_down_in_order(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763902.5
    wechat.set_domains("add", "https://example.com")
    wechat.send("POST", "/cgi-bin/component/get_domain_confirmfile")
    wechat.get("/wxa/get_qrcode")
    first, second, third = (entry.to_json() for entry in wechat.sandbox.journal.entries)
    assert first == {
        "seq": 1,
        "method": "POST",
        "path": "/wxa/setwebviewdomain",
        "appid": APPID,
        "body": {"action": "add", "webviewdomain": ["https://example.com"]},
        "errcode": 0,
        "time": 1640763902.5,
        "fault": None,
    }
    assert (second["seq"], second["appid"], second["body"], second["errcode"]) == (2, COMPONENT_APPID, None, 0)
    assert (third["method"], third["errcode"]) == ("GET", -1)


def test_a_picture_is_written_down_as_errcode_0(wechat: Wechat) -> None:
    wechat.commit()
    wechat.get("/wxa/get_qrcode")
    assert wechat.sandbox.journal.entries[-1].errcode == 0


def test_an_answer_without_errcode_is_written_down_as_0(wechat: Wechat) -> None:
    wechat.post("/cgi-bin/component/modify_wxa_jump_domain", {"action": "get"})
    assert wechat.sandbox.journal.entries[-1].errcode == 0


def test_a_token_that_is_nobodys_has_no_appid(wechat: Wechat) -> None:
    wechat.send("POST", "/wxa/release", b"{}", token=CANARY)
    entry = wechat.sandbox.journal.entries[-1]
    assert (entry.appid, entry.errcode) == (None, 40001)


@pytest.mark.parametrize(
    "body",
    [
        {"user_desc": f"it is {MERCHANT_TOKEN}!"},
        {"ext_json": json.dumps({"ext": [PLATFORM_TOKEN, CANARY, quote(CANARY, safe="")]})},
        {MERCHANT_TOKEN: {"deep": [CANARY]}},
        {"access_token": "someone-else's", "component_appsecret": ["s3cret"]},
        {"expired": "the-expired-one"},
    ],
)
def test_no_token_is_written_down_wherever_it_was_sent(wechat: Wechat, body: Any) -> None:
    wechat.world.expired_tokens = {"the-expired-one"}
    wechat.send("POST", "/wxa/commit", json.dumps(body).encode(), token=CANARY)
    wechat.send("POST", f"/wxa/{CANARY}", f"no json: {CANARY} {MERCHANT_TOKEN}".encode(), token=CANARY)
    written = json.dumps([entry.to_json() for entry in wechat.sandbox.journal.entries])
    secrets = (CANARY, quote(CANARY, safe=""), MERCHANT_TOKEN, PLATFORM_TOKEN, "someone-else", "s3cret", "expired-one")
    assert [secret for secret in secrets if secret in written] == []


def test_what_is_no_secret_stays_readable(wechat: Wechat) -> None:
    body = {"user_version": "1.4.0", "n": 7, "ok": True, "token_count": 3}
    wechat.post("/wxa/commit", body)
    assert wechat.sandbox.journal.entries[-1].body == body


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"x" * 100_000, b"[" * 100_000, b"[" * 900 + b"]" * 900])
def test_a_body_that_is_no_json_or_too_deep_is_written_down_as_text_in_short(wechat: Wechat, raw: bytes) -> None:
    wechat.send("POST", "/wxa/release", raw)
    entry = wechat.sandbox.journal.entries[-1].to_json()
    assert isinstance(entry["body"], str)
    assert len(entry["body"]) <= 2000


def test_no_repr_shows_a_token(wechat: Wechat) -> None:
    wechat.world.expired_tokens = {"the-expired-one"}
    request = Request(method="POST", path="/wxa/release", token=CANARY, raw=CANARY.encode())
    wechat.get("/wxa/queryquota")
    shown = repr((wechat.world, wechat.sandbox, request))
    secrets = (CANARY, MERCHANT_TOKEN, PLATFORM_TOKEN, "the-expired-one")
    assert [secret for secret in secrets if secret in shown] == []

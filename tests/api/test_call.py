"""A call before it leaves: its body is checked by JSON Schema and written as WeChat wants it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_wxa.api.call import Call, Reply, read_reply
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from tests.tables import each_row

APPID = "wx0000000000000001"
COMMIT = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}


#: Endpoint, body, and what is said of it.
REFUSED: list[tuple[str, Any, str]] = [
    ("setwebviewdomain", {"action": "replace"}, "action = 'replace': must be add, delete, set or get, or left out"),
    ("setwebviewdomain", {"action": None}, "action = None"),
    ("setwebviewdomain", {"action": "add"}, "'webviewdomain' is a required property"),
    ("setwebviewdomain", {"action": "set", "webviewdomain": []}, "webviewdomain = []: must be a list of one or"),
    ("setwebviewdomain", {"action": "add", "webviewdomain": "https://a.b"}, "webviewdomain = 'https://a.b'"),
    (
        "setwebviewdomain",
        {"action": "add", "webviewdomain": ["a.b"]},
        "webviewdomain[0] = 'a.b': must be an origin",
    ),
    ("setwebviewdomain", {"action": "add", "webviewdomain": [7]}, "webviewdomain[0] = 7"),
    ("setwebviewdomain", {"webviewdomain": ["https://a.b"]}, "'action' is a dependency of 'webviewdomain'"),
    ("setwebviewdomain", {"action": "get", "appid": APPID}, "'appid' was unexpected"),
    ("setwebviewdomain", ["get"], "the object = ['get']"),
    ("get_effective_webviewdomain", {"a": 1}, "the object = {'a': 1}: must be an empty object"),
    ("modify_wxa_jump_domain", {}, "'action' is a required property"),
    ("modify_wxa_jump_domain", {"action": "add"}, "'wxa_jump_h5_domain' is a required property"),
    ("modify_wxa_jump_domain", {"action": "add", "wxa_jump_h5_domain": "https://a.b"}, "must be bare hosts"),
    ("modify_wxa_jump_domain", {"action": "add", "wxa_jump_h5_domain": ""}, "wxa_jump_h5_domain = ''"),
    ("modify_wxa_jump_domain", {"action": "get", "is_modify_published_together": 1}, "together = 1"),
    ("get_domain_confirmfile", {"host": "a.b"}, "must be an empty object"),
    ("commit", {}, "'template_id' is a required property"),
    ("commit", COMMIT | {"template_id": "x"}, "template_id = 'x': must be a number or digits"),
    ("commit", COMMIT | {"ext_json": {}}, "ext_json = {}: must be a text that holds JSON"),
    ("commit", COMMIT | {"user_desc": None}, "user_desc = None"),
    ("commit", COMMIT | {"user_desc": "half \ud800"}, "surrogates not allowed"),
    ("submit_audit", {"version_desc": 1}, "version_desc = 1"),
    ("submit_audit", {"privacy_api_not_use": "no"}, "privacy_api_not_use = 'no': must be true or false"),
    ("submit_audit", {"itemlist": []}, "'itemlist' was unexpected"),
    ("get_auditstatus", {}, "'auditid' is a required property"),
    ("get_auditstatus", {"auditid": ""}, "auditid = '': must be the auditid that submit_audit returned"),
    ("get_auditstatus", {"auditid": 1.5}, "auditid = 1.5"),
    ("release", {"action": "now"}, "must be an empty object"),
    ("getversioninfo", {"a": 1}, "must be an empty object"),
]


@each_row("name, body, said", REFUSED)
def test_a_body_that_wechat_would_refuse_does_not_leave(name: str, body: Any, said: str) -> None:
    with pytest.raises(WxaSpecError) as raised:
        Call.to(name, APPID, body).content()
    assert any(said in problem for problem in raised.value.problems), raised.value.problems
    assert (raised.value.endpoint, raised.value.appid) == (name, APPID)
    assert str(raised.value).startswith(f"{name} not sent: ")


def test_every_problem_of_a_body_is_named_and_a_huge_value_in_a_short_message() -> None:
    wrong = {"template_id": "x", "ext_json": {}, "user_version": "v" * 1_000_000, "user_desc": 1}
    with pytest.raises(WxaSpecError) as raised:
        Call.to("commit", APPID, wrong).content()
    assert len(raised.value.problems) == 4
    assert len(str(raised.value)) < 2000


def test_a_body_is_raw_utf_8_without_escapes_and_blanks() -> None:
    content = Call.to("commit", APPID, COMMIT | {"user_desc": "发布 \U0001f600"}).content() or b""
    assert "发布 \U0001f600".encode() in content
    assert b"\\u" not in content
    assert json.loads(content)["user_desc"] == "发布 \U0001f600"


PLATFORM_TOKEN = Call.to(
    "api_component_token",
    None,
    {
        "component_appid": "wx00000000000000c1",
        "component_appsecret": Secret("canary-secret"),
        "component_verify_ticket": Secret("canary-ticket"),
    },
)


def test_a_secret_is_revealed_on_the_wire_and_nowhere_else() -> None:
    assert b"canary-secret" in (PLATFORM_TOKEN.content() or b"")
    assert "canary" not in repr(PLATFORM_TOKEN)


@pytest.mark.parametrize("value", [Secret(""), "canary\ud800", ["canary"]])
def test_a_bad_body_that_holds_secrets_is_named_by_field_only(value: Any) -> None:
    body = {**PLATFORM_TOKEN.body, "component_verify_ticket": value, "surplus": Secret("canary")}
    with pytest.raises(WxaSpecError) as raised:
        Call.to("api_component_token", None, body).content()
    assert "canary" not in str(raised.value)
    assert "api_component_token not sent" in str(raised.value)


@pytest.mark.parametrize("content", [b"<html>canary-secret</html>", b'{"errcode":0,"echo":"canary-ticket"}', b""])
def test_a_bad_answer_that_may_hold_secrets_is_not_shown(content: bytes) -> None:
    with pytest.raises(WxaTransportError) as raised:
        read_reply(PLATFORM_TOKEN, 200, content)
    assert "canary" not in str(raised.value) + repr(raised.value.__dict__)
    assert f"bytes {len(content)}" in str(raised.value)


@each_row("answer, errmsg", [({}, ""), ({"errmsg": "ok"}, "ok"), ({"errmsg": 7}, "7")])
def test_a_reply_has_wechats_text_or_none(answer: dict[str, Any], errmsg: str) -> None:
    assert Reply(answer).errmsg == errmsg

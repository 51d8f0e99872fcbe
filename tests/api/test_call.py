"""A call before it leaves: its body is checked by JSON Schema and written as WeChat wants it."""

import json
from typing import Any

import pytest

from airflow_wxa.api import audit, code, server_domain, webview_domain
from airflow_wxa.api.authorisation import api_component_token
from airflow_wxa.api.call import Call, Reply, read_reply
from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from tests.tables import each_row

APPID = "wx0000000000000001"
A, B = (webview_domain.WebviewDomain(f"{name}.example.com") for name in "ab")
VERSION = code.CodeVersion.of(APPID, 47, "1.4.0")
COMMIT = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}


ONE_LIST = {"action": "set", **{kind: [] for kind in server_domain.SERVER_KINDS}, "requestdomain": [A.origin]}
HOSTS, JOINED = [B.host, A.host], f"{A.host};{B.host}"
JUMP = {"action": "add", "wxa_jump_h5_domain": JOINED, "is_modify_published_together": True}
SERVER = {"action": "add", "wxa_server_domain": JOINED, "is_modify_published_together": False}
SENT = {"template_id": 47, "ext_json": VERSION.sent_ext_json, "user_version": "1.4.0"}
#: The endpoint that a function is named after, its arguments, and the body that is sent; ``None``: it is a GET.
MADE: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("submit_audit", (APPID,), {}, {"privacy_api_not_use": False}),
    ("submit_audit", (APPID,), {"version_desc": "d"}, {"privacy_api_not_use": False, "version_desc": "d"}),
    ("submit_audit", (APPID,), {"privacy_api_not_use": True}, {"privacy_api_not_use": True}),
    ("get_auditstatus", (APPID, "1234567"), {}, {"auditid": 1234567}),
    ("get_auditstatus", (APPID, "old-id"), {}, {"auditid": "old-id"}),
    ("get_material", (APPID, "media-1"), {}, {"media_id": "media-1"}),
    *[(name, (APPID,), {}, None) for name in ("get_latest_auditstatus", "get_category", "queryquota", "undocodeaudit")],
    *[(name, (APPID,), {}, None) for name in ("get_page", "get_qrcode", "get_code_privacy_info")],
    *[(name, (APPID,), {}, {}) for name in ("getversioninfo", "release", "get_effective_webviewdomain")],
    ("commit", (VERSION, "release 1.4.0"), {}, SENT | {"user_desc": f"release 1.4.0 {VERSION.mark}"}),
    # A Mini Program's list travels as an array of origins; six lists of server domains travel together.
    ("setwebviewdomain", (APPID, None, [B, A]), {}, {}),
    ("setwebviewdomain", (APPID, "get", [B, A]), {}, {"action": "get"}),
    *[
        ("setwebviewdomain", (APPID, action, [B, A]), {}, {"action": action, "webviewdomain": [A.origin, B.origin]})
        for action in ("add", "delete", "set")
    ],
    ("modify_domain", (APPID, "get"), {}, {"action": "get"}),
    ("modify_domain", (APPID, "set", {"requestdomain": frozenset({A.origin})}), {}, ONE_LIST),
    # The platform's lists travel as bare hosts joined by semicolons, published together unless it is said otherwise.
    ("modify_wxa_jump_domain", ("get",), {}, {"action": "get"}),
    ("modify_wxa_jump_domain", ("add", HOSTS), {}, JUMP),
    ("modify_wxa_server_domain", ("add", HOSTS), {"published": False}, SERVER),
]


@each_row("name, given, named, body", MADE)
def test_a_call_goes_to_its_endpoint_with_its_fields_alone(name: str, given: Any, named: Any, body: Any) -> None:
    (make,) = {vars(room)[name] for room in (audit, code, server_domain, webview_domain) if name in vars(room)}
    call = make(*given, **named)
    assert (call.endpoint.name, call.endpoint.method) == (name, "GET" if body is None else "POST")
    assert call.appid == (None if call.endpoint.token is TokenKind.PLATFORM else APPID)
    assert json.loads(call.content() or b"null") == body


#: Endpoint, body, and what is said of it.
REFUSED: list[tuple[str, Any, str]] = [
    ("setwebviewdomain", {"action": "replace"}, "action = 'replace': must be add, delete, set or get, or left out"),
    ("setwebviewdomain", {"action": None}, "action = None"),
    ("setwebviewdomain", {"action": "add"}, "'webviewdomain' is a required property"),
    ("setwebviewdomain", {"action": "set", "webviewdomain": []}, "webviewdomain = []: must be a list of one or"),
    ("setwebviewdomain", {"action": "add", "webviewdomain": "https://a.b"}, "webviewdomain = 'https://a.b'"),
    ("setwebviewdomain", {"action": "add", "webviewdomain": ["a.b"]}, "[0] = 'a.b': must be an origin"),
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


PLATFORM_TOKEN = api_component_token("wx00000000000000c1", Secret("canary-secret"), Secret("canary-ticket"))


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

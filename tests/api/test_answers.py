"""An answer before it is trusted: a reply, or one typed error that says what came instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_wxa.api.call import Call, read_reply
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaApiError, WxaStateError, WxaTransportError

APPID = "wx0000000000000001"
TOKEN = Secret("canary-token-0123456789")
JPEG = b"\xff\xd8\xff\xe0 and more"


@pytest.mark.parametrize(
    ("name", "status", "content", "said"),
    [
        ("release", 502, b"<html>502 Bad Gateway</html>", "HTTP status 502 instead of 200"),
        ("release", 302, b"", "HTTP status 302 instead of 200"),
        ("release", 204, b"", "HTTP status 204 instead of 200"),
        ("release", 500, b'{"errcode":0}', "HTTP status 500 instead of 200"),
        ("release", 200, b"", "an answer that is no JSON"),
        ("release", 200, b" \n", "an answer that is no JSON"),
        ("release", 200, b"<html>log in first</html>", "an answer that is no JSON"),
        ("release", 200, b'{"errcode":0,"err', "an answer that is no JSON"),
        ("release", 200, b'{"errcode":0}{"errcode":0}', "an answer that is no JSON"),
        ("release", 200, b'\xff\xfe{"errcode"', "an answer that is no JSON"),
        ("release", 200, b'{"errcode":0,"errmsg":"\xff\xff"}', "an answer that is no JSON"),
        ("release", 200, b"\xef\xbb\xbf", "an answer that is no JSON"),
        ("release", 200, b"[" * 100_000, "an answer that is no JSON"),
        ("release", 200, b'{"errcode":' + b"9" * 5000 + b"}", "an answer that is no JSON"),
        ("release", 200, b"[]", "a JSON list instead of an object"),
        ("release", 200, b"0", "a JSON int instead of an object"),
        ("release", 200, b'"ok"', "a JSON str instead of an object"),
        ("release", 200, b"null", "a JSON NoneType instead of an object"),
        ("release", 200, b"true", "a JSON bool instead of an object"),
        ("release", 200, b'{"errcode":"0"}', "errcode '0', which is no integer"),
        ("release", 200, b'{"errcode":true}', "errcode True, which is no integer"),
        ("release", 200, b'{"errcode":false}', "errcode False, which is no integer"),
        ("release", 200, b'{"errcode":null}', "errcode None, which is no integer"),
        ("release", 200, b'{"errcode":0.0}', "errcode 0.0, which is no integer"),
        ("release", 200, b'{"errcode":NaN}', "errcode nan, which is no integer"),
        ("release", 200, b'{"errcode":[0]}', "errcode [0], which is no integer"),
        ("release", 200, b"{}", "'errcode' is a required property"),
        ("commit", 200, b'{"errmsg":"ok"}', "'errcode' is a required property"),
        ("submit_audit", 200, b'{"errcode":0}', "'auditid' is a required property"),
        ("submit_audit", 200, b'{"errcode":0,"auditid":null}', "auditid = None"),
        ("submit_audit", 200, b'{"errcode":0,"auditid":""}', "auditid = ''"),
        ("submit_audit", 200, b'{"errcode":0,"auditid":true}', "auditid = True"),
        ("get_auditstatus", 200, b'{"errcode":0}', "'status' is a required property"),
        ("get_auditstatus", 200, b'{"errcode":0,"status":5}', "status = 5"),
        ("get_auditstatus", 200, b'{"errcode":0,"status":"0"}', "status = '0'"),
        ("get_auditstatus", 200, b'{"errcode":0,"status":false}', "status = False"),
        ("get_auditstatus", 200, b'{"errcode":0,"status":1,"reason":[]}', "reason = []"),
        ("get_latest_auditstatus", 200, b'{"errcode":0,"status":0}', "'auditid' is a required property"),
        ("get_latest_auditstatus", 200, b'{"status":0,"auditid":1,"user_desc":7}', "user_desc = 7"),
        ("getversioninfo", 200, b"{}", "is not valid under any of the given schemas"),
        ("getversioninfo", 200, b'{"errcode":0,"exp_info":[]}', "exp_info = []"),
        ("getversioninfo", 200, b'{"errcode":0,"release_info":{"release_desc":null}}', "release_desc = None"),
        ("setwebviewdomain", 200, b'{"errcode":0,"webviewdomain":"https://a.b"}', "webviewdomain = 'https://a.b'"),
        ("setwebviewdomain", 200, b'{"errcode":0,"webviewdomain":null}', "webviewdomain = None"),
        ("setwebviewdomain", 200, b'{"errcode":0,"webviewdomain":[1]}', "webviewdomain[0] = 1"),
        ("get_effective_webviewdomain", 200, b'{"errcode":0}', "'effective_webviewdomain' is a required property"),
        ("modify_wxa_jump_domain", 200, b'{"testing_wxa_jump_h5_domain":[]}', "testing_wxa_jump_h5_domain = []"),
        ("get_domain_confirmfile", 200, b'{"errcode":0,"file_name":"a.txt"}', "'file_content' is a required"),
        ("get_domain_confirmfile", 200, b'{"errcode":0,"file_name":"","file_content":"x"}', "file_name = ''"),
        ("queryquota", 200, b'{"errcode":0,"rest":"8","limit":27}', "rest = '8'"),
        ("get_page", 200, b'{"errcode":0}', "'page_list' is a required property"),
        ("get_category", 200, b'{"errcode":0,"category_list":[{}]}', "category_list[0] = {}"),
        ("get_code_privacy_info", 200, b'{"without_auth_list":["a",1]}', "without_auth_list[1] = 1"),
        ("get_qrcode", 200, b"", "neither an image nor JSON"),
        ("get_qrcode", 200, b"<html>", "neither an image nor JSON"),
        ("get_qrcode", 200, b"GIF89a", "neither an image nor JSON"),
        ("get_qrcode", 200, b'{"errcode":0}', "an answer of another shape"),
        ("get_qrcode", 502, JPEG, "HTTP status 502"),
    ],
)
def test_what_is_no_answer_of_this_endpoint_is_a_transport_error(
    name: str, status: int, content: bytes, said: str
) -> None:
    call = Call.to(name, APPID)
    with pytest.raises(WxaTransportError) as raised:
        read_reply(call, status, content)
    error = raised.value
    assert said in error.what
    assert error.what.startswith(f"{name} got no usable answer: ")
    assert (error.endpoint, error.appid, error.retryable) == (name, APPID, True)
    assert f"bytes {len(content)}" in str(error)


@pytest.mark.parametrize("content", [b"x" * 3_000_000, b'{"errcode":"' + b"x" * 3_000_000 + b'"}'])
def test_a_huge_answer_is_shown_by_its_beginning(content: bytes) -> None:
    with pytest.raises(WxaTransportError) as raised:
        read_reply(Call.to("release", APPID), 200, content)
    assert len(str(raised.value)) < 2000
    assert f"bytes {len(content)}" in str(raised.value)


@pytest.mark.parametrize("errcode", [-1, 1234567])
def test_a_huge_errmsg_is_shown_by_its_beginning(errcode: int) -> None:
    with pytest.raises(WxaApiError) as raised:
        read_reply(Call.to("release", APPID), 200, json.dumps({"errcode": errcode, "errmsg": "x" * 1_000_000}).encode())
    assert len(str(raised.value)) < 4000
    assert "more characters" in str(raised.value)


@pytest.mark.parametrize("depth", range(100, 1000, 50))
@pytest.mark.parametrize("field", ["errcode", "errmsg", "webviewdomain"])
def test_a_deeply_nested_answer_raises_one_typed_error(depth: int, field: str) -> None:
    fields: dict[str, Any] = {"errcode": "-1" if field == "errmsg" else "0", "errmsg": '"m"', "webviewdomain": "[]"}
    fields[field] = "[" * depth + "]" * depth
    text = ",".join(f'"{name}":{value}' for name, value in fields.items())
    with pytest.raises((WxaTransportError, WxaApiError)):
        read_reply(Call.to("setwebviewdomain", APPID), 200, f"{{{text}}}".encode())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("release", {"errcode": 0}),
        ("getversioninfo", {"errcode": 0}),
        ("getversioninfo", {"exp_info": {}}),
        ("setwebviewdomain", {"webviewdomain": []}),
        ("modify_wxa_jump_domain", {"testing_wxa_jump_h5_domain": ""}),
        ("queryquota", {"rest": 1, "limit": 2, "new_field": {}}),
    ],
)
def test_errcode_0_or_none_beside_its_payload_is_a_reply(name: str, answer: dict[str, Any]) -> None:
    reply = read_reply(Call.to(name, APPID), 200, json.dumps(answer).encode())
    assert (reply.answer, reply.errcode, reply.image) == (answer, 0, b"")


def test_a_byte_order_mark_before_good_json_is_no_failure() -> None:
    assert read_reply(Call.to("release", APPID), 200, b'\xef\xbb\xbf{"errcode":0}').errcode == 0


@pytest.mark.parametrize("image", [JPEG, b"\x89PNG\r\n"])
def test_a_qrcode_is_an_image(image: bytes) -> None:
    reply = read_reply(Call.to("get_qrcode", APPID), 200, image)
    assert (reply.image, reply.answer) == (image, {})


def test_a_refused_qrcode_is_json_whatever_its_content_type() -> None:
    with pytest.raises(WxaApiError, match="get_qrcode refused"):
        read_reply(Call.to("get_qrcode", APPID), 200, b' {"errcode":-1,"errmsg":"system error"}')


def test_an_answer_is_not_checked_by_the_schema_when_it_refuses() -> None:
    with pytest.raises(WxaStateError, match="85020"):
        read_reply(Call.to("submit_audit", APPID), 200, b'{"errcode":85020,"auditid":null}')


ECHOES = {
    "page": f"<html>GET /wxa/release?access_token={TOKEN.reveal()} failed</html>",
    "page that repeats it across the cut": " ".join([TOKEN.reveal()] * 200),
    "errcode": json.dumps({"errcode": f"see {TOKEN.reveal()}"}),
    "errcode across the cut": json.dumps({"errcode": "x" * 390 + TOKEN.reveal()}),
    "errmsg": json.dumps({"errcode": -1, "errmsg": f"busy {TOKEN.reveal()} rid: 0-1-2"}),
    "unknown errcode": json.dumps({"errcode": 1234567, "errmsg": "x" * 390 + TOKEN.reveal()}),
    "payload": json.dumps({"errcode": 0, "auditid": {"echo": TOKEN.reveal()}}),
    "payload across the cut": json.dumps({"errcode": 0, "auditid": {"echo": "x" * 385 + TOKEN.reveal()}}),
    "payload across the cut of the rule": json.dumps({"errcode": 0, "auditid": ["x" * 382 + TOKEN.reveal()]}),
}


@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize("content", ECHOES.values(), ids=ECHOES)
def test_an_answer_that_echoes_the_token_does_not_bring_it_into_the_error(content: str, status: int) -> None:
    with pytest.raises((WxaTransportError, WxaApiError)) as raised:
        read_reply(Call.to("submit_audit", APPID), status, content.encode(), secrets=[TOKEN])
    shown = str(raised.value) + repr(raised.value) + repr(raised.value.__dict__)
    assert "canary" not in shown
    assert "canar" not in shown

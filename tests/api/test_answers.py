"""An answer before it is trusted: a reply, or one typed error that says what came instead."""

import itertools
import json
import re
from typing import Any

import pytest

from airflow_wxa.api.call import Call, read_reply
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaApiError, WxaTransportError
from tests.tables import each_row

APPID = "wx0000000000000001"
TOKEN = Secret("canary-token-0123456789")
JPEG = b"\xff\xd8\xff\xe0 and more"


#: What is said of an answer to ``release``, with its HTTP status → such answers.
NO_ANSWERS = {
    **{
        (status, f"HTTP status {status} instead of 200"): [body]
        for status, body in ((502, b"<html>502 Bad Gateway</html>"), (302, b""), (204, b""), (500, b'{"errcode":0}'))
    },
    (200, "an answer that is no JSON"): [
        b"", b" \n", b"<html>log in first</html>", b'{"errcode":0,"err', b'{"errcode":0}{"errcode":0}',
        b'\xff\xfe{"errcode"', b"\xef\xbb\xbf", b"[" * 100_000, b'{"errcode":' + b"9" * 5000 + b"}",
    ],
    **{
        (200, f"a JSON {type(json.loads(each)).__name__} instead of an object"): [each]
        for each in (b"[]", b"0", b'"ok"', b"null", b"true")
    },
    **{
        (200, f"errcode {json.loads(each)!r}, which is no number"): [b'{"errcode":%s}' % each]
        for each in (b'"ok"', b"true", b"false", b"0.5", b"NaN", b"[0]", b"{}")
    },
}  # fmt: skip
#: Endpoint, answer, and the field that it cannot do without.
INCOMPLETE = [
    ("submit_audit", b'{"errcode":0}', "auditid"),
    ("submit_audit", b'{"errcode":0,"auditid":null}', "auditid: auditid = None"),
    ("submit_audit", b'{"errcode":0,"auditid":""}', "auditid: auditid = ''"),
    ("submit_audit", b'{"errcode":0,"auditid":true}', "auditid: auditid = True"),
    ("get_auditstatus", b'{"errcode":0}', "status"),
    ("get_auditstatus", b'{"errcode":0,"status":false}', "status: status = False"),
    ("get_auditstatus", b'{"errcode":0,"status":{}}', "status: status = {}"),
    ("get_latest_auditstatus", b'{"errcode":0,"auditid":1}', "status"),
    ("api_get_authorizer_list", b'{"list":{}}', "list"),
    ("api_query_auth", b'{"authorization_info":{"expires_in":1}}', "authorization_info"),
    ("get_qrcode", b'{"errcode":0}', "an image"),
]


#: Endpoint, HTTP status, content, and what is said of it.
UNUSABLE = [
    *[("release", status, each, said) for (status, said), answers in NO_ANSWERS.items() for each in answers],
    *[(name, 200, content, f"an answer without {field}") for name, content, field in INCOMPLETE],
    *[("get_qrcode", 200, each, "neither an image nor JSON") for each in (b"", b"<html>", b"GIF89a")],
    ("get_qrcode", 502, JPEG, "HTTP status 502"),
]


@each_row("name, status, content, said", UNUSABLE)
def test_what_is_no_answer_of_an_endpoint_is_an_error(name: str, status: int, content: bytes, said: str) -> None:
    call = Call.to(name, APPID)
    with pytest.raises(WxaTransportError) as raised:
        read_reply(call, status, content)
    error = raised.value
    assert said in error.what
    assert error.what.startswith(f"{name} got no usable answer: ")
    assert (error.endpoint, error.appid, error.retryable) == (name, APPID, True)
    assert f"bytes {len(content)}" in str(error)


#: Endpoint → answers that are read as they stand.
AS_THEY_STAND = {
    "release": [b'{"errcode":""}', b'{"errcode":"0"}', b'{"errcode":0.0}'],
    "get_auditstatus": [b'{"status":"reviewing"}'],
    "setwebviewdomain": [b'{"webviewdomain":"https://a.b"}', b'{"webviewdomain":[]}'],
    "modify_wxa_jump_domain": [b'{"testing_wxa_jump_h5_domain":["a.b"]}', b'{"testing_wxa_jump_h5_domain":""}'],
    "get_effective_webviewdomain": [b'{"errcode":0}'],
    "getversioninfo": [b'{"errcode":0}', b'{"exp_info":{}}'],
    "queryquota": [b'{"rest":1,"limit":2,"new_field":{}}'],
}
SHEET = {"status": 0, "auditid": "1"}
GRANT = {"component_access_token": "t", "expires_in": 7}
SET_18 = b'{"funcscope_category":{"id":18}}'
SETS = b'{"authorization_info":{"authorizer_appid":"wx1","func_info":[%s]}}'
#: Endpoint, answer, and what is read of it.
LOOSE = [
    *[(name, each, json.loads(each)) for name, answers in AS_THEY_STAND.items() for each in answers],
    *[("setwebviewdomain", b'{"webviewdomain":%s}' % each, {}) for each in (b"null", b"{}", b'""')],
    ("release", b"{}", {}),
    ("release", b'{"errcode":null,"errmsg":null}', {}),
    ("release", b'{"errcode":85052,"errcode":0}', {"errcode": 0}),
    ("release", b'\xef\xbb\xbf{"errcode":0}', {"errcode": 0}),
    ("release", b'\r\n{"errcode":0}\n\x00', {"errcode": 0}),
    ("release", b'{"errcode":0,"errmsg":"a\nb\tc\x00"}', {"errcode": 0, "errmsg": "a\nb\tc"}),
    ("release", b'{"errmsg":"a\\u0000\\ud83d,\\uDE00 \\ud83d\\ude00"}', {"errmsg": "a\ufffd,\ufffd \U0001f600"}),
    ("release", b'{"errcode":0,"new\\u0000":[{"x":"\\udfff"}]}', {"errcode": 0, "new": [{"x": "\ufffd"}]}),
    ("release", b'{"errcode":0,"errmsg":"\xff"}', {"errcode": 0, "errmsg": "\ufffd"}),
    ("submit_audit", b'{"auditid":7}', {"auditid": "7"}),
    ("get_auditstatus", b'{"status":"0","reason":[]}', {"status": 0}),
    ("get_auditstatus", b'{"status":2.0}', {"status": 2}),
    ("get_latest_auditstatus", b'{"status":0,"auditid":1,"user_desc":7}', SHEET | {"user_desc": "7"}),
    ("get_latest_auditstatus", b'{"status":0,"auditid":1,"user_version":1.40}', SHEET | {"user_version": "1.40"}),
    ("get_latest_auditstatus", b'{"status":0,"auditid":1,"submit_audit_time":"12"}', SHEET | {"submit_audit_time": 12}),
    ("getversioninfo", b'{"exp_info":[],"release_info":{"release_desc":null}}', {"release_info": {}}),
    ("getversioninfo", b'{"exp_info":{"exp_time":"9","exp_desc":2}}', {"exp_info": {"exp_time": 9, "exp_desc": "2"}}),
    ("setwebviewdomain", b'{"webviewdomain":[1,null,[],"a.b"]}', {"webviewdomain": ["1", "a.b"]}),
    ("modify_wxa_jump_domain", b'{"testing_wxa_jump_h5_domain":{}}', {}),
    ("queryquota", b'{"rest":"8","limit":" 27 "}', {"rest": 8, "limit": 27}),
    ("queryquota", b'{"rest":"many","limit":{}}', {}),
    ("get_code_privacy_info", b'{"without_auth_list":["a",1]}', {"without_auth_list": ["a", "1"]}),
    ("api_component_token", b'{"component_access_token":"t","expires_in":"7"}', GRANT),
    ("api_query_auth", SETS % b'{},{"funcscope_category":{"id":"18"}}', json.loads(SETS % SET_18)),
]


@each_row("name, content, read", LOOSE)
def test_what_can_be_understood_is_taken_in(name: str, content: bytes, read: dict[str, Any]) -> None:
    reply = read_reply(Call.to(name, APPID), 200, content)
    assert (reply.answer, reply.errcode, reply.image) == (read, 0, b"")


#: Endpoint, a refusal, and what of it stands in the error.
REFUSALS = [
    ("submit_audit", b'{"errcode":85009,"errmsg":"a\n\x01sheet rid: 1-2-3"}', "errmsg a sheet, rid"),
    *[
        ("submit_audit", f'{{"errcode":85009,"errmsg":"under{control}audit"}}'.encode(), "errmsg under audit\n")
        for control in ("\\u0085", "\\u2028", "\\u202e", "\\u2066", "\\u0000\\u009f")
    ],
    ("release", b'{"errcode":-1,"errmsg":"canary-to\\u0000ken-0123456789"}', "errcode -1, errmsg ***\n"),
    ("get_auditstatus", b'{"errcode":"85012","errmsg":null,"status":0}', "errcode 85012\n"),
    ("submit_audit", b'{"errcode":85020,"auditid":null}', "errcode 85020\n"),
    ("get_qrcode", b' {"errcode":-1,"errmsg":"system error"}', "get_qrcode refused"),
]


@each_row("name, content, said", REFUSALS)
def test_a_refusal_is_read_on_one_line_before_anything_else_of_its_answer(name: str, content: bytes, said: str) -> None:
    with pytest.raises(WxaApiError) as raised:
        read_reply(Call.to(name, APPID), 200, content, secrets=[TOKEN])
    assert said in str(raised.value)


#: A huge answer, and what is said of its length.
HUGE = [
    (b"x" * 300_000, "bytes 300000"),
    (b'{"errcode":"' + b"x" * 299_986 + b'"}', "bytes 300000"),
    *[(b'{"errcode":%d,"errmsg":"%s"}' % (each, b"x" * 100_000), "more characters") for each in (-1, 1234567)],
]


@each_row("content, said", HUGE)
def test_a_huge_answer_is_shown_by_its_beginning(content: bytes, said: str) -> None:
    with pytest.raises((WxaTransportError, WxaApiError)) as raised:
        read_reply(Call.to("release", APPID), 200, content)
    assert len(str(raised.value)) < 2500
    assert said in str(raised.value)


@each_row("depth", range(100, 950, 50))
def test_a_deeply_nested_answer_raises_one_typed_error(depth: int) -> None:
    deep, call = "[" * depth + "]" * depth, Call.to("setwebviewdomain", APPID)
    for fields in (f'"errcode":{deep},"errmsg":"m"', f'"errcode":-1,"errmsg":{deep}'):
        with pytest.raises((WxaTransportError, WxaApiError)):
            read_reply(call, 200, f'{{{fields},"webviewdomain":[]}}'.encode())
    # Nothing in the list can be understood.
    assert read_reply(call, 200, f'{{"webviewdomain":{deep}}}'.encode()).answer["webviewdomain"] == []


@each_row("name, image", itertools.product(["get_qrcode", "get_material"], [JPEG, b"\x89PNG\r\n"]))
def test_a_qrcode_or_a_screenshot_is_an_image(name: str, image: bytes) -> None:
    reply = read_reply(Call.to(name, APPID), 200, image)
    assert (reply.image, reply.answer) == (image, {})


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


@each_row("content, status", itertools.product(ECHOES.values(), [200, 502]))
def test_an_answer_that_echoes_the_token_does_not_bring_it_into_the_error(content: str, status: int) -> None:
    with pytest.raises((WxaTransportError, WxaApiError)) as raised:
        read_reply(Call.to("submit_audit", APPID), status, content.encode(), secrets=[TOKEN])
    shown = str(raised.value) + repr(raised.value) + repr(raised.value.__dict__)
    assert "canar" not in shown


def test_a_token_that_is_a_short_word_changes_nothing_that_is_read_and_is_not_shown() -> None:
    call, word = Call.to("setwebviewdomain", APPID, {"action": "get"}), [Secret("example")]
    answer = b'{"errcode":0,"webviewdomain":["https://m.example.com"],"errmsg":"for example"}'
    assert read_reply(call, 200, answer, secrets=word).answer["webviewdomain"] == ["https://m.example.com"]
    with pytest.raises(WxaApiError, match=re.escape("bad ***")) as raised:
        read_reply(call, 200, b'{"errcode":85019,"errmsg":"bad example"}', secrets=word)
    assert "example" not in str(raised.value)

import base64
import hashlib
import re
import time
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from airflow_wxa.sandbox import Platform, RunningSandbox, World, encrypt
from airflow_wxa.sandbox.pushes import compose, deliver
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY, MERCHANT_TOKEN, PUSH_TOKEN
from tests.client.conftest import Elsewhere
from tests.sandbox.conftest import COMPONENT, PROOF, Wechat


def fields(xml: str) -> dict[str, str]:
    return {each.tag: each.text or "" for each in ET.fromstring(xml)}  # noqa: S314  our own XML


def sha1(*words: str) -> str:
    return hashlib.sha1("".join(sorted(words)).encode()).hexdigest()  # noqa: S324


def message(content: str) -> tuple[str, str]:
    key = base64.b64decode(ENCODING_AES_KEY + "=")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    plain = decryptor.update(base64.b64decode(fields(content)["Encrypt"])) + decryptor.finalize()
    assert (len(plain) % 32, plain[-1] in range(1, 33)) == (0, True)
    assert plain[-plain[-1] :] == bytes([plain[-1]]) * plain[-1]
    plain = plain[: -plain[-1]]
    length = int.from_bytes(plain[16:20], "big")
    return plain[20 : 20 + length].decode(), plain[20 + length :].decode()


def sealed(xml: str, **changes: Any) -> Any:
    keys = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY, "component_appid": COMPONENT_APPID}
    return encrypt(xml, **keys, **({"timestamp": 1640763902} | changes))  # type: ignore[arg-type]


def pushed(receiver: Elsewhere) -> list[tuple[dict[str, str], str]]:
    """Return the fields of each message that came, and the appid behind it."""
    messages = (message(body.decode()) for _, _, body in receiver.requests)
    return [(fields(xml), appid) for xml, appid in messages]


@pytest.fixture
def receiver(elsewhere: Elsewhere) -> Elsewhere:
    elsewhere.answers(200, b"success")
    return elsewhere


@pytest.fixture
def wxa_world(wxa_world: World, receiver: Elsewhere) -> World:
    wxa_world.platforms[0].push_url = f"{receiver.url}/auth?tenant=7"
    wxa_world.platforms[0].message_url = f"{receiver.url}/message/$APPID$"
    return wxa_world


def test_a_message_is_padded_to_blocks_of_32_its_length_counted_in_bytes() -> None:
    for text in ["<a>审核]]></a>", *("x" * length for length in range(65))]:
        assert message(sealed(text).content.decode()) == (text, COMPONENT_APPID)


def test_signatures_are_sha1_over_the_sorted_words_and_two_encryptions_of_one_message_differ() -> None:
    envelope, another = sealed("<xml/>", nonce="0000000042"), sealed("<xml/>")
    words = (PUSH_TOKEN, "1640763902", "0000000042")
    encrypted = fields(envelope.content.decode())["Encrypt"]
    named = {"timestamp": "1640763902", "nonce": "0000000042", "encrypt_type": "aes"}
    assert envelope.params == named | {"signature": sha1(*words), "msg_signature": sha1(*words, encrypted)}
    assert fields(another.content.decode())["Encrypt"] != encrypted
    assert another.params["nonce"] != sealed("<xml/>").params["nonce"]
    # The envelope names the platform or the Mini Program.
    platforms, merchants = (fields(sealed("", **to).content.decode()) for to in ({}, {"to_user_name": "gh_1"}))
    assert (platforms["AppId"], merchants["ToUserName"], "AppId" in merchants) == (COMPONENT_APPID, "gh_1", False)


def test_a_pushed_ticket_gets_a_token(wxa_sandbox: RunningSandbox, http: httpx.Client, receiver: Elsewhere) -> None:
    answer = wxa_sandbox.push_ticket(COMPONENT_APPID)
    ((info, appid),) = pushed(receiver)
    assert (answer.status_code, answer.text) == (200, "success")
    assert receiver.requests[0][1].startswith("/auth?tenant=7&")
    assert (info["AppId"], info["InfoType"], appid) == (COMPONENT_APPID, "component_verify_ticket", COMPONENT_APPID)
    proof = PROOF | {"component_verify_ticket": info["ComponentVerifyTicket"]}
    assert "component_access_token" in http.post(COMPONENT + "api_component_token", json=proof).json()
    push = wxa_sandbox.compose("component_verify_ticket", COMPONENT_APPID)
    for _ in range(2):  # the same push can be sent twice
        wxa_sandbox.send(push)
    assert receiver.requests[1] == receiver.requests[2]


@pytest.mark.parametrize("event", ["authorized", "updateauthorized"])
def test_an_authorisation_carries_a_code_and_its_end_none(wechat: Wechat, receiver: Elsewhere, event: Any) -> None:
    wechat.world.clock = lambda: 1640763902.0
    deliver(compose(wechat.world, event, APPID))
    code = wechat.world.authorise(APPID)
    for each in ("authorized", "unauthorized"):
        deliver(compose(wechat.world, each, APPID))  # type: ignore[arg-type]
    (info, _), (waiting, _), (ended, _) = pushed(receiver)
    assert (info["InfoType"], info["AuthorizerAppid"], info["CreateTime"]) == (event, APPID, "1640763902")
    assert info["AuthorizationCodeExpiredTime"] == "1640767502"
    assert info["PreAuthCode"]
    assert waiting["AuthorizationCode"] == code  # the one that waits already
    assert (ended["InfoType"], ended["AuthorizerAppid"], "AuthorizationCode" in ended) == ("unauthorized", APPID, False)
    assert not wechat.account.authorised
    deliver(compose(wechat.world, event, APPID))
    answer = wechat.component("api_query_auth", authorization_code=pushed(receiver)[-1][0]["AuthorizationCode"])
    assert answer["authorization_info"]["authorizer_appid"] == APPID


AUDIT_FIELDS = {"success": {"SuccTime"}, "fail": {"FailTime", "Reason", "ScreenShot"}, "delay": {"DelayTime", "Reason"}}


@pytest.mark.parametrize(("kind", "names"), AUDIT_FIELDS.items())
def test_audit_events_go_to_the_message_url(wechat: Wechat, receiver: Elsewhere, kind: str, names: set[str]) -> None:
    event: Any = f"weapp_audit_{kind}"
    deliver(compose(wechat.world, event, APPID))
    user_name = wechat.account.user_name
    ((_, path, body),), ((info, appid),) = receiver.requests, pushed(receiver)
    assert path.startswith(f"/message/{APPID}?")
    assert fields(body.decode())["ToUserName"] == user_name
    assert (info["Event"], info["MsgType"], info["ToUserName"], appid) == (event, "event", user_name, COMPONENT_APPID)
    assert info.keys() - {"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event"} == names
    assert info.get("Reason", "<br>").endswith("<br>")


#: Plan of an audit, and what is announced of it.
ANNOUNCED: list[tuple[dict[str, Any], list[str]]] = [
    ({"polls": 0}, ["weapp_audit_success"]),
    ({"polls": 2, "result": "rejected"}, ["weapp_audit_fail"]),
    ({"polls": 1, "result": "delayed_then_approved"}, ["weapp_audit_delay", "weapp_audit_success"]),
    ({"polls": 1, "result": "withdrawn"}, []),
]


@pytest.mark.parametrize("setting", ["on", "off", "no address"])
def test_an_audit_that_moves_is_announced_when_the_world_says_so(wechat: Wechat, setting: str) -> None:
    wechat.world.push_audit_events = setting != "off"
    wechat.platform.message_url = "" if setting == "no address" else wechat.platform.message_url
    for plan, events in ANNOUNCED:
        wechat.account.sheets.clear()
        auditid = wechat.submitted(**plan)
        for _ in range(4):
            wechat.get("/wxa/get_latest_auditstatus")
            wechat.post("/wxa/get_auditstatus", {"auditid": auditid})
        assert [event for event, _ in wechat.world.outbox] == (events if setting == "on" else [])
        wechat.world.outbox.clear()


def test_every_push_is_written_down(wxa_sandbox: RunningSandbox, http: httpx.Client, receiver: Elsewhere) -> None:
    # One that a call sets off, those that a person asks for, and one that nobody takes.
    body = {"component_appid": COMPONENT_APPID, "component_secret": PROOF["component_appsecret"]}
    assert http.post(COMPONENT + "api_start_push_ticket", json=body).json()["errmsg"] == "ok"
    until = time.monotonic() + 5
    while not wxa_sandbox.deliveries and time.monotonic() < until:  # it follows the answer
        time.sleep(0.01)
    ticket = f"/_sandbox/push/ticket?component_appid={COMPONENT_APPID}"
    for url in (ticket, f"/_sandbox/push/event?event=unauthorized&appid={APPID}"):
        assert http.post(url).json()["answer"] == "success"
    wxa_sandbox.world.platforms[0].push_url = "http://127.0.0.1:9/"
    with pytest.raises(httpx.ConnectError):
        wxa_sandbox.push_ticket()
    assert http.post(ticket).status_code == 502
    came = [info["InfoType"] for info, _ in pushed(receiver)]
    assert came == ["component_verify_ticket", "component_verify_ticket", "unauthorized"]
    told = [(each["event"], each["status"], each["answer"]) for each in http.get("/_sandbox/pushes").json()]
    lost = ("component_verify_ticket", None, "ConnectError")
    assert told == [*((event, 200, "success") for event in came), lost, lost]


@pytest.mark.parametrize("name", ["push_token", "encoding_aes_key", "push_url"])
def test_a_platform_that_cannot_be_pushed_to_says_what_it_lacks(wechat: Wechat, name: str) -> None:
    setattr(wechat.platform, name, "")
    shown = "address" if name == "push_url" else name
    with pytest.raises(ValueError, match=f"{COMPONENT_APPID} cannot be pushed to without {shown}$"):
        compose(wechat.world, "component_verify_ticket", COMPONENT_APPID)
    for key in ("short", "a" * 44, "a" * 42 + "="):  # which is not shown
        with pytest.raises(ValueError, match=rf"43 letters and digits, got {len(key)}$"):
            Platform(component_appid="c", encoding_aes_key=key)


def test_no_push_shows_what_it_carries_nor_an_answer_an_echo(wxa_sandbox: RunningSandbox, receiver: Elsewhere) -> None:
    wxa_sandbox.push_ticket()
    wxa_sandbox.push("authorized", APPID)
    push = wxa_sandbox.compose("component_verify_ticket", COMPONENT_APPID)
    receiver.answers(200, f"got {MERCHANT_TOKEN}".encode())
    assert wxa_sandbox.push_ticket().text == f"got {MERCHANT_TOKEN}"
    assert wxa_sandbox.deliveries[-1].answer == "got ***"
    shown = repr((push, push.request(), wxa_sandbox.deliveries, wxa_sandbox))
    hidden = wxa_sandbox.world.tokens()
    assert len(hidden) > 8
    assert [word for word in hidden if word in shown] == []
    assert re.search(r"msg_signature=[0-9a-f]{40}", str(push.request().url))

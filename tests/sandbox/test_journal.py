import json
from typing import Any
from urllib.parse import quote

from airflow_wxa.sandbox import MiniProgram, testing
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN
from tests.sandbox.conftest import COMPONENT, Wechat
from tests.tables import each_row

CANARY = "canary+token/with=signs"
OF_MERCHANTS = ("authorization_code", "auth_code", "pre_auth_code", "authorizer_refresh_token")
SECRET_NAMES = (*OF_MERCHANTS, "component_verify_ticket", "AESKey")
NO_SECRETS = {"user_version": "1.4.0", "n": 7, "ok": True, "token_count": 3}


def test_calls_are_written_down_in_order(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763902.5
    wechat.set_domains("add", "https://example.com")
    wechat.send("POST", COMPONENT + "get_domain_confirmfile")
    wechat.get("/wxa/get_qrcode")
    first, second, third = (entry.to_json() for entry in wechat.sandbox.journal)
    body = {"action": "add", "webviewdomain": ["https://example.com"]}
    asked = {"method": "POST", "path": "/wxa/setwebviewdomain", "appid": APPID, "body": body}
    answered = {"errcode": 0, "time": 1640763902.5, "fault": None, "unknown_fields": []}
    assert first == {"seq": 1, **asked, **answered}
    assert (second["seq"], second["appid"], second["body"], second["errcode"]) == (2, COMPONENT_APPID, None, 0)
    assert (third["method"], third["errcode"]) == ("GET", -1)
    wechat.commit()
    assert isinstance(wechat.get("/wxa/get_qrcode"), bytes)
    assert wechat.last.errcode == 0
    assert "errcode" not in wechat.component("modify_wxa_jump_domain", action="get", appid=APPID)
    assert (wechat.last.errcode, wechat.last.unknown_fields) == (0, ["appid", "component_appid"])


#: A body, and what is written down of it.
WRITTEN: list[tuple[Any, Any]] = [
    (NO_SECRETS, NO_SECRETS),
    *(({name: "someone-else's", "errcode": 5}, {name: "***", "errcode": 5}) for name in SECRET_NAMES),
    # A secret that begins another leaves no tail; one that is shorter than most is found, too.
    ({"desc": "a long-secret-and-more b long-secret c long-secre"}, {"desc": "a *** b *** c long-secre"}),
    ({"r#1": ["xr#1x", "r%231"]}, {"***": ["x***x", "***"]}),
]


@each_row("body, written", WRITTEN)
def test_secrets_and_values_of_secret_names_alone_are_taken_out(wechat: Wechat, body: Any, written: Any) -> None:
    wechat.account.authorizer_access_token, wechat.account.refresh_token = "long-secret", "long-secret-and-more"
    wechat.platform.component_appsecret = "r#1"
    wechat.post("/wxa/commit", body)
    assert wechat.last.body == written


@each_row("raw", [b"\xff\xfe", b"x" * 100_000, b"[" * 100_000, b"[" * 900 + b"]" * 900])
def test_a_body_that_is_no_json_or_too_deep_is_written_down_as_text_in_short(wechat: Wechat, raw: bytes) -> None:
    wechat.send("POST", "/wxa/release", raw)
    entry = wechat.last.to_json()
    assert isinstance(entry["body"], str)
    assert len(entry["body"]) <= 2000


def issued(wechat: Wechat) -> list[str]:
    code = wechat.world.authorise(APPID)
    info = wechat.component("api_query_auth", authorization_code=code)["authorization_info"]
    merchants = [info["authorizer_access_token"], info["authorizer_refresh_token"]]
    platform, preauth = wechat.platform_token(), wechat.component("api_create_preauthcode")
    platforms = [platform["component_access_token"], preauth["pre_auth_code"]]
    return [code, wechat.world.new_ticket(COMPONENT_APPID), *merchants, *platforms]


def test_no_secret_is_written_down_or_shown_wherever_it_was_sent_even_after_it_died(wechat: Wechat) -> None:
    wechat.platform.rotate_refresh_tokens = "each"
    secrets = [*issued(wechat), testing.COMPONENT_APPSECRET, testing.ENCODING_AES_KEY, testing.PUSH_TOKEN]
    secrets += [REFRESH_TOKEN, MERCHANT_TOKEN, PLATFORM_TOKEN, CANARY, "the-expired-one"]
    wechat.refresh(secrets[3])
    wechat.world.withdraw(APPID)
    wechat.sandbox.reset()
    wechat.world.expired_tokens = {"the-expired-one"}
    for secret in secrets:
        url = json.dumps({"ext": [secret, {"url": quote(secret, safe="")}]})
        body = json.dumps({"user_desc": f"<{secret}>", "ext_json": url, secret: {"deep": [secret]}})
        for path, raw in (("commit", body), ("commit", f"no json {secret}{secret}"), (secret, f"{secret} no json")):
            wechat.send("POST", f"/wxa/{path}", raw.encode(), token=CANARY)
        wechat.get(f"/wxa/{secret}", access_token=CANARY)
    assert (wechat.last.appid, wechat.last.errcode) == (None, 40066)  # a token that is nobody's
    wechat.post("/wxa/commit", {"access_token": "someone-else's", "component_appsecret": ["s3cret"]})
    written = json.dumps([entry.to_json() for entry in wechat.sandbox.journal])
    written += repr((wechat.world, wechat.sandbox, Request("POST", "/", {"access_token": CANARY}, CANARY.encode())))
    spellings = {spelling for secret in secrets for spelling in (secret, quote(secret, safe=""))}
    assert [spelling for spelling in (*spellings, "someone-else", "s3cret") if spelling in written] == []


def test_calls_are_counted_by_path_and_body_also_when_the_oldest_are_forgotten(wechat: Wechat) -> None:
    wechat.refresh()
    wechat.refresh(authorizer_appid="wx9")
    path, calls = COMPONENT + "api_authorizer_token", wechat.sandbox.journal
    assert (calls.count(path), calls.count(path, authorizer_appid=APPID), calls.count(calls[0])) == (2, 1, 1)
    wechat.world.journal_keeps = 10
    for _ in range(25):
        wechat.get("/wxa/queryquota")
    assert calls.count("/wxa/queryquota", authorizer_appid=APPID) == 0
    assert 10 <= len(calls) <= 11
    assert (wechat.last.seq, calls.totals) == (27, {path: 2, "/wxa/queryquota": 25})


def test_a_call_is_its_accounts_even_by_a_dead_token_and_without_a_token_its_platforms(wechat: Wechat) -> None:
    for token, appid in (("", COMPONENT_APPID), ("", "wx9"), ("nobody's", COMPONENT_APPID)):
        raw = json.dumps({"component_appid": appid}).encode()
        wechat.sandbox.answer(Request("POST", COMPONENT + "api_component_token", {"access_token": token}, raw))
    assert [entry.appid for entry in wechat.sandbox.journal] == [COMPONENT_APPID, None, None]
    wechat.platform.overlap_seconds = 0
    dead, _ = (wechat.refresh()["authorizer_access_token"] for _ in range(2))
    assert (wechat.quota_errcode(dead), wechat.last.appid) == (40001, APPID)
    wechat.world.mini_programs.clear()
    assert (wechat.quota_errcode(MERCHANT_TOKEN), wechat.last.appid) == (40001, None)  # it left the world
    wechat.world.mini_programs.append(MiniProgram(appid=APPID, component_appid=COMPONENT_APPID))
    assert (wechat.quota_errcode(MERCHANT_TOKEN), wechat.last.appid) == (40001, None)

import json
import logging
import re
import signal
import subprocess
import sys

import httpx
import pytest

from airflow_wxa.sandbox import RunningSandbox, World, serve
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN
from tests.sandbox.conftest import COMMIT, COMPONENT
from tests.tables import each_row

FOREGROUND = """
from airflow_wxa.sandbox import World, run
run(World(), announce=lambda running: print(running.url, flush=True))
print("over")
"""


def test_errors_come_under_http_200_as_json(http: httpx.Client) -> None:
    answer = http.get("/wxa/commit")
    assert (answer.status_code, answer.json()["errcode"]) == (200, 43002)
    assert answer.headers["content-type"] == "application/json; encoding=utf-8"
    for path in ("/wxa/no_such_api", "/wxa/commit/", "/docs", "/openapi.json", "/wxa"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["errcode"]) == (200, 40066)
    for query in ("", "?access_token=", "?token=x"):  # by any name
        answer = http.get(f"/wxa/queryquota{query}", headers={"Host": "api.weixin.qq.com"}, auth=None)
        assert answer.json()["errcode"] == 41001


def test_a_token_is_read_url_decoded_by_the_name_of_its_call(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    token, merchants = wxa_sandbox.world.platforms[0].component_access_token, wxa_sandbox.world.mini_programs[0]

    def errcode(name: str, **query: str) -> int:
        named = {"component_appid": COMPONENT_APPID}
        answer = httpx.post(f"{wxa_sandbox.url}{COMPONENT}{name}", params=query, json=named)
        return int(answer.json().get("errcode", 0))

    for name, older in (("get_domain_confirmfile", 41001), ("api_create_preauthcode", 0)):
        assert (errcode(name, access_token=token), errcode(name, component_access_token=token)) == (0, older)
    codes = [errcode("api_create_preauthcode", component_access_token=each) for each in ("x", MERCHANT_TOKEN, "")]
    assert codes == [40001, 61014, 41001]
    merchants.authorizer_access_token = "a+b/c=d&e"
    assert http.get("/wxa/queryquota", params={"access_token": "a+b/c=d&e"}).json()["errcode"] == 0


def test_pictures_texts_and_uploads_travel_as_at_wechat(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    refused = http.get("/wxa/get_qrcode")
    assert refused.headers["content-type"].startswith("text/plain")
    assert json.loads(refused.text)["errcode"] == -1
    http.post("/wxa/commit", content=json.dumps(COMMIT | {"user_desc": "结账\ud83d"}))
    answer = http.get("/wxa/get_qrcode", params={"path": "page/index?action=1"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "结账?".encode() in http.post("/wxa/getversioninfo", json={}).content  # raw, and half a character
    told = http.post("/wxa/uploadmedia", files={"media": ("a.png", b"\x89PNG", "image/png")}).json()
    assert (told["errcode"], told["type"]) == (0, "image")
    assert http.post("/wxa/uploadmedia", content=b"a=b").json()["errcode"] == 47001
    wxa_sandbox.world.clock = lambda: 1640763902.0
    assert http.get("/wxa/queryquota").headers["date"] == "Wed, 29 Dec 2021 07:45:02 GMT"


def test_the_journal_is_served_and_a_reset_ends_it_and_faults(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    http.post("/wxa/setwebviewdomain", json={"action": "add", "webviewdomain": ["https://example.com"]})
    (entry,) = http.get("/_sandbox/journal").json()
    assert (entry["method"], entry["path"], entry["appid"]) == ("POST", "/wxa/setwebviewdomain", APPID)
    assert http.get("/_sandbox/journal", params={"after": "1"}).json() == []
    faults = [{"path": "/wxa/queryquota", "kind": "errcode_before", "errcode": 45009}]
    faults += [{"path": "*", "kind": "empty"}] * 2
    assert http.post("/_sandbox/faults", json=faults).json() == {"added": 3}
    assert http.get("/wxa/queryquota").json()["errcode"] == 45009
    assert http.get("/wxa/queryquota").text == ""
    assert http.post("/_sandbox/reset").json() == {"reset": True}
    assert (wxa_sandbox.journal, wxa_sandbox.world.mini_programs[0].third_webviewdomain) == ([], [])
    assert http.get("/wxa/queryquota").json()["errcode"] == 0


def test_a_world_is_shown_without_tokens_and_taken_back_with_them_kept(http: httpx.Client) -> None:
    shown = http.get("/_sandbox/world").json()
    assert MERCHANT_TOKEN not in json.dumps(shown)
    shown["mini_programs"][0]["third_webviewdomain"] = ["https://example.com"]
    assert http.put("/_sandbox/world", json=shown).status_code == 200
    http.post("/_sandbox/reset")
    answer = http.post("/wxa/get_effective_webviewdomain", json={})
    assert answer.json()["third_webviewdomain"] == ["https://example.com"]


#: A control request, its body, and what is said of it.
SENSELESS = [
    *(("PUT world", body, "") for body in (b"{", b'{"x":1}')),
    *(("POST faults", body, "") for body in (b"x", b'[{"kind":"empty"}]')),
    ("POST faults", b'{"path":"*","kind":"empty","times":"1"}', ""),
    ("POST faults", b'{"path":"*","kind":"explode"}', "is none of"),
    ("POST faults", b'{"path":"*","kind":"empty","times":0}', "at least"),
    ("POST faults", b'{"path":"*","kind":"empty","seconds":-1}', "at least"),
    *((f"POST {each}", b"", "no account ''") for each in ("push/ticket", "withdraw")),
    *((f"POST {each}?appid=wx9", b"", "no account 'wx9'") for each in ("authorise", "mini_program")),
    *((f"POST {each}?component_appid=wx9", b"", "no account 'wx9'") for each in ("push/ticket", "draft")),
    ("POST push/event?event=authorized&appid=wx9", b"", "no account 'wx9'"),
    (f"POST push/event?event=exploded&appid={APPID}", b"", "'exploded' is none of component_verify_ticket, auth"),
    ("POST advance?seconds=soon", b"", "soon"),
    (f"GET qrcode?appid={APPID}", b"", "has no trial version"),
    (f"POST mini_program?appid={APPID}&individual=yes", b"", "'yes'"),
    (f"POST mini_program?appid={APPID}&audit=lost", b"", "'lost'"),
    (f"POST decide?appid={APPID}&result=approved", b"", "a sheet in audit"),
]


@each_row("call, body, said", SENSELESS)
def test_a_control_request_that_makes_no_sense_is_answered_http_400(
    http: httpx.Client, wxa_sandbox: RunningSandbox, call: str, body: bytes, said: str
) -> None:
    before = wxa_sandbox.world.to_json(tokens=True)
    method, path = call.split(" ")
    answer = http.request(method, f"/_sandbox/{path}", content=body)
    assert answer.status_code == 400
    assert said in (answer.json()["error"] or "nothing is said")
    assert wxa_sandbox.world.to_json(tokens=True) == before


def test_people_authorise_withdraw_upload_and_let_time_pass(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    account, platform = wxa_sandbox.world.mini_program(APPID), wxa_sandbox.world.platforms[0]
    http.post("/_sandbox/withdraw", params={"appid": APPID})
    assert not account.authorised
    answer = http.post("/_sandbox/authorise", params={"appid": APPID}).json()
    assert (answer["auth_code"], answer["expires_in"], account.authorised) == (account.code, 3600, True)
    before = wxa_sandbox.world.time()
    http.post("/_sandbox/advance", params={"seconds": "7200"})
    assert wxa_sandbox.world.time() - before >= 7200
    draft = http.post("/_sandbox/draft", params={"user_version": "2.0.0"}).json()
    token = {"access_token": platform.component_access_token}
    added = http.post("/wxa/addtotemplate", params=token, json={"draft_id": draft["draft_id"]})
    assert (added.json()["errcode"], [each.user_version for each in platform.templates]) == (0, ["2.0.0"])


def test_sandboxes_start_side_by_side_and_stop_quietly_and_a_port_in_use_is_an_os_error(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], wxa_world: World
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(wxa_world) as running, serve(World(), host="::1") as other:
        assert httpx.get(f"{running.url}/wxa/queryquota", params={"access_token": MERCHANT_TOKEN}).is_success
        assert other.url.startswith("http://[::1]:")
        assert httpx.get(f"{other.url}/_sandbox/journal").json() == []
        with pytest.raises(OSError, match="in use"), serve(World(), port=int(running.url.rpartition(":")[2])):
            pass
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_the_foreground_quietly() -> None:
    command = [sys.executable, "-c", FOREGROUND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/wxa/queryquota").json()["errcode"] == 41001
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "over\n", "")


def test_a_page_of_another_name_or_origin_steers_nothing(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    for host in ("evil.example.com", "evil.example.com:8099", "", "[::1", "127.0.0.1.evil.example"):
        for path in ("/", "/_sandbox/world", "/_sandbox/journal"):
            answer = http.get(path, headers={"Host": host})
            assert (answer.status_code in (400, 403), "wx" in answer.text) == (True, False)
    for host in ("localhost:8099", "127.0.0.1", "[::1]:8099", "sandbox:8099"):
        assert http.get("/_sandbox/counts", headers={"Host": host}).status_code == 200
    before, advance = wxa_sandbox.world.time(), "/_sandbox/advance?seconds=9000"
    for origin in ("https://evil.example.com", "null", "http://127.0.0.1:1", ""):
        assert http.post(advance, headers={"Origin": origin}).status_code == 403
    assert wxa_sandbox.world.time() < before + 9000
    assert http.post(advance, headers={"Origin": wxa_sandbox.url}).status_code == 200


def test_a_person_sees_the_qr_code_and_decides_on_the_page(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    account = wxa_sandbox.world.mini_program(APPID)
    account.scan_polls, account.effective_webviewdomain = 0, ["<script>"]
    for path, body in (("commit", COMMIT), ("submit_audit", {})):
        assert http.post(f"/wxa/{path}", json=body).json()["errcode"] == 0
    assert http.get("/_sandbox/qrcode", params={"appid": APPID}).headers["content-type"] == "image/jpeg"
    page = http.get("/").text
    body = re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]).split()
    assert " ".join(body).startswith("Emulated WeChat What this does not imitate:")
    assert "&lt;script&gt;" in page
    assert "approve</button>" in page
    rejected = {"appid": APPID, "result": "rejected", "back": "1"}
    back = http.post("/_sandbox/decide", params=rejected, data={"reason": "<b>"}, follow_redirects=True)
    assert (back.url.path, account.sheets[-1].stage, account.sheets[-1].plan.reason) == ("/", "rejected", "<b>")
    assert "approve</button>" not in back.text


def test_a_mini_program_becomes_an_individuals_and_waits(http: httpx.Client, wxa_sandbox: RunningSandbox) -> None:
    assert "decide audits by hand" in http.get("/").text
    wanted = {"individual": "true", "audit": "by_hand"}
    told = http.post("/_sandbox/mini_program", params={"appid": APPID, **wanted}).json()
    assert told == {"individual": True, "audit": "by_hand"}
    assert "approve audits by themselves" in http.get("/").text
    assert wxa_sandbox.world.mini_program(APPID).audit.stage_after(10**6) == "auditing"

import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import requests

from airflow_wxa.sandbox import RunningSandbox, World, serve
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN
from tests.tables import each_row

At = Callable[[str], str]

FOREGROUND = """
from airflow_wxa.sandbox import World, run
run(World(), announce=lambda running: print(running.url, flush=True))
print("over")
"""


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.params = {"access_token": MERCHANT_TOKEN}
        yield session


@pytest.fixture
def at(wxa_sandbox: RunningSandbox) -> At:
    return lambda path: f"{wxa_sandbox.url}{path}"


def test_errors_come_under_http_200_as_json(http: requests.Session, at: At) -> None:
    answer = http.get(at("/wxa/commit"))
    assert (answer.status_code, answer.json()["errcode"]) == (200, 43002)
    assert answer.headers["content-type"] == "application/json; encoding=utf-8"
    for path in ("/wxa/no_such_api", "/wxa/commit/", "/docs", "/openapi.json", "/wxa"):
        answer = http.get(at(path), allow_redirects=False)
        assert (answer.status_code, answer.json()["errcode"]) == (200, 40066)
    for query in ("", "?access_token=", "?token=x"):
        answer = requests.get(at(f"/wxa/queryquota{query}"), headers={"Host": "api.weixin.qq.com"}, timeout=5)
        assert answer.json()["errcode"] == 41001  # by any name


def test_a_token_is_read_url_decoded_from_the_query_name_of_its_call(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox
) -> None:
    token, merchants = wxa_sandbox.world.platforms[0].component_access_token, wxa_sandbox.world.mini_programs[0]
    url, family = at("/cgi-bin/component/get_domain_confirmfile"), at("/cgi-bin/component/api_create_preauthcode")

    def errcode(url: str, **query: str) -> int:
        body = {"component_appid": COMPONENT_APPID}
        return int(requests.post(url, params=query, json=body, timeout=5).json().get("errcode", 0))

    assert (errcode(url, component_access_token=token), errcode(url, access_token=token)) == (41001, 0)
    assert (errcode(family, component_access_token=token), errcode(family, access_token=token)) == (0, 0)
    assert [errcode(family, component_access_token=each) for each in ("x", MERCHANT_TOKEN)] == [40001, 61014]
    assert errcode(family) == 41001
    merchants.authorizer_access_token = "a+b/c=d&e"
    http.params = {"access_token": "a+b/c=d&e"}
    assert http.get(at("/wxa/queryquota")).json()["errcode"] == 0


def test_pictures_texts_and_uploads_travel_as_at_wechat(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox
) -> None:
    refused = http.get(at("/wxa/get_qrcode"))
    assert refused.headers["content-type"].startswith("text/plain")
    assert json.loads(refused.text)["errcode"] == -1
    commit = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "结账\ud83d"}
    http.post(at("/wxa/commit"), data=json.dumps(commit))
    answer = http.get(at("/wxa/get_qrcode"), params={"path": "page/index?action=1"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "结账?".encode() in http.post(at("/wxa/getversioninfo"), json={}).content  # raw, and half a character
    told = http.post(at("/wxa/uploadmedia"), files={"media": ("a.png", b"\x89PNG", "image/png")}).json()
    assert (told["errcode"], told["type"]) == (0, "image")
    assert http.post(at("/wxa/uploadmedia"), data=b"a=b").json()["errcode"] == 47001
    wxa_sandbox.world.clock = lambda: 1640763902.0
    assert http.get(at("/wxa/queryquota")).headers["date"] == "Wed, 29 Dec 2021 07:45:02 GMT"


def test_the_journal_is_served_and_reset_goes_back_to_the_start(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox
) -> None:
    http.post(at("/wxa/setwebviewdomain"), json={"action": "add", "webviewdomain": ["https://example.com"]})
    (entry,) = requests.get(at("/_sandbox/journal"), timeout=5).json()
    assert (entry["method"], entry["path"], entry["appid"]) == ("POST", "/wxa/setwebviewdomain", APPID)
    assert requests.get(at("/_sandbox/journal?after=1"), timeout=5).json() == []
    http.post(at("/_sandbox/faults"), json={"path": "*", "kind": "empty"})
    assert http.post(at("/_sandbox/reset")).json() == {"reset": True}
    assert (wxa_sandbox.journal, wxa_sandbox.world.mini_programs[0].third_webviewdomain) == ([], [])
    assert http.get(at("/wxa/queryquota")).json()["errcode"] == 0


def test_a_world_is_shown_without_tokens_and_taken_back_with_them_kept(http: requests.Session, at: At) -> None:
    shown = http.get(at("/_sandbox/world")).json()
    assert MERCHANT_TOKEN not in json.dumps(shown)
    shown["mini_programs"][0]["third_webviewdomain"] = ["https://example.com"]
    assert http.put(at("/_sandbox/world"), json=shown).status_code == 200
    http.post(at("/_sandbox/reset"))
    answer = http.post(at("/wxa/get_effective_webviewdomain"), json={})
    assert answer.json()["third_webviewdomain"] == ["https://example.com"]


@each_row(
    "call, body, said",
    [
        ("PUT world", b"{", ""),
        ("PUT world", b'{"x":1}', ""),
        ("POST faults", b"x", ""),
        ("POST faults", b'{"path":"*","kind":"explode"}', ""),
        ("POST faults", b'{"path":"*","kind":"empty","times":"1"}', ""),
        ("POST faults", b'[{"kind":"empty"}]', ""),
        ("POST push/ticket?component_appid=wx9", b"", "no account 'wx9'"),
        ("POST push/ticket", b"", "no account ''"),
        ("POST push/event?event=authorized&appid=wx9", b"", "no account 'wx9'"),
        (
            f"POST push/event?event=exploded&appid={APPID}",
            b"",
            "'exploded' is none of component_verify_ticket, authorized",
        ),
        ("POST authorise?appid=wx9", b"", "no account 'wx9'"),
        ("POST withdraw", b"", "no account ''"),
        ("POST advance?seconds=soon", b"", "soon"),
        ("POST draft?component_appid=wx9", b"", "no account 'wx9'"),
    ],
)
def test_a_control_request_that_makes_no_sense_is_answered_http_400(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox, call: str, body: bytes, said: str
) -> None:
    before = wxa_sandbox.world.to_json(tokens=True)
    method, path = call.split(" ")
    answer = http.request(method, at(f"/_sandbox/{path}"), data=body)
    assert answer.status_code == 400
    assert said in (answer.json()["error"] or "nothing is said")
    assert wxa_sandbox.world.to_json(tokens=True) == before


def test_people_authorise_withdraw_upload_drafts_and_let_time_pass_over_http(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox
) -> None:
    account, platform = wxa_sandbox.world.mini_program(APPID), wxa_sandbox.world.platforms[0]
    http.post(at("/_sandbox/withdraw"), params={"appid": APPID})
    assert not account.authorised
    answer = http.post(at("/_sandbox/authorise"), params={"appid": APPID}).json()
    assert (answer["auth_code"], answer["expires_in"], account.authorised) == (account.code, 3600, True)
    before = wxa_sandbox.world.time()
    http.post(at("/_sandbox/advance"), params={"seconds": "7200"})
    assert wxa_sandbox.world.time() - before >= 7200
    draft = http.post(at("/_sandbox/draft"), params={"user_version": "2.0.0"}).json()
    http.params = {"access_token": platform.component_access_token}
    assert http.post(at("/wxa/addtotemplate"), json={"draft_id": draft["draft_id"]}).json()["errcode"] == 0
    assert [each.user_version for each in platform.templates] == ["2.0.0"]


def test_faults_are_taken_over_http(http: requests.Session, at: At) -> None:
    faults = [{"path": "/wxa/queryquota", "kind": "errcode_before", "errcode": 45009}, {"path": "*", "kind": "empty"}]
    assert http.post(at("/_sandbox/faults"), json=faults).json() == {"added": 2}
    assert http.get(at("/wxa/queryquota")).json()["errcode"] == 45009
    assert http.get(at("/wxa/queryquota")).text == ""


def test_the_page_opens_with_what_it_does_not_imitate_and_escapes_the_rest(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox
) -> None:
    wxa_sandbox.world.mini_programs[0].effective_webviewdomain = ["<script>"]
    page = http.get(at("/")).text
    body = re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]).split()
    assert " ".join(body).startswith("Emulated WeChat What this does not imitate:")
    assert "&lt;script&gt;" in page


def test_start_and_stop_are_quiet(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], wxa_world: World
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(wxa_world) as running, requests.Session() as session:
        session.get(f"{running.url}/wxa/queryquota", params={"access_token": MERCHANT_TOKEN})
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert capfd.readouterr() == ("", "")


def test_two_sandboxes_run_side_by_side_and_a_port_in_use_is_an_os_error(wxa_sandbox: RunningSandbox) -> None:
    with serve(World(), host="::1") as other:
        assert other.url.startswith("http://[::1]:")
        assert requests.get(f"{other.url}/_sandbox/journal", timeout=5).json() == []
    port = int(wxa_sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), serve(World(), port=port):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_the_foreground_quietly() -> None:
    command = [sys.executable, "-c", FOREGROUND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/wxa/queryquota", timeout=5).json()["errcode"] == 41001
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "over\n", "")


def test_a_name_that_is_not_ours_is_refused_and_one_of_this_network_is_taken(wxa_sandbox: RunningSandbox) -> None:
    def asked(host: str, path: str) -> requests.Response:
        return requests.get(wxa_sandbox.url + path, headers={"Host": host}, timeout=5)

    for host in ("evil.example.com", "evil.example.com:8099", "", "[::1", "127.0.0.1.evil.example"):
        for path in ("/", "/_sandbox/world", "/_sandbox/journal"):
            answer = asked(host, path)
            assert (answer.status_code in (400, 403), "wx" in answer.text) == (True, False)
    for host in ("localhost:8099", "127.0.0.1", "[::1]:8099", "sandbox:8099"):
        assert asked(host, "/_sandbox/counts").status_code == 200


def test_another_origin_steers_nothing(wxa_sandbox: RunningSandbox) -> None:
    before = wxa_sandbox.world.time()
    url = f"{wxa_sandbox.url}/_sandbox/advance?seconds=9000"
    for origin in ("https://evil.example.com", "null", "http://127.0.0.1:1", ""):
        assert requests.post(url, headers={"Origin": origin}, timeout=5).status_code == 403
    assert wxa_sandbox.world.time() < before + 9000
    assert requests.post(url, headers={"Origin": wxa_sandbox.url}, timeout=5).status_code == 200


def test_a_person_sees_the_qr_code_and_decides_on_the_page(wxa_sandbox: RunningSandbox) -> None:
    account = wxa_sandbox.world.mini_program(APPID)
    base = wxa_sandbox.url
    assert requests.get(f"{base}/_sandbox/qrcode", params={"appid": APPID}, timeout=5).status_code == 400
    account.commit(user_version="1.4.0", user_desc="d", pages=[], now=1)
    account.scan_polls_left = 0
    account.submit(account.check_submittable(privacy_api_not_use=False, audit_rest=1), auditid=1, now=1)
    picture = requests.get(f"{base}/_sandbox/qrcode", params={"appid": APPID}, timeout=5)
    assert picture.headers["content-type"] == "image/jpeg"
    page = requests.get(f"{base}/", timeout=5).text
    assert "approve</button>" in page
    decide = f"{base}/_sandbox/decide"
    rejected = {"appid": APPID, "result": "rejected", "back": "1"}
    back = requests.post(decide, params=rejected, data={"reason": "<b>"}, timeout=5)
    assert (back.url, account.sheets[-1].stage, account.sheets[-1].plan.reason) == (f"{base}/", "rejected", "<b>")
    assert "approve</button>" not in back.text
    assert requests.post(decide, params={"appid": APPID, "result": "approved"}, timeout=5).status_code == 400


def test_a_mini_program_becomes_an_individuals_and_its_audits_wait(wxa_sandbox: RunningSandbox) -> None:
    url = f"{wxa_sandbox.url}/_sandbox/mini_program"
    params = {"appid": APPID, "individual": "true", "audit": "by_hand"}
    page = f"{wxa_sandbox.url}/"
    assert "decide audits by hand" in requests.get(page, timeout=5).text
    assert requests.post(url, params=params, timeout=5).json() == {"individual": True, "audit": "by_hand"}
    assert "approve audits by themselves" in requests.get(page, timeout=5).text
    for wrong in ({"individual": "yes"}, {"audit": "lost"}, {"appid": "wx9"}):
        assert requests.post(url, params={**params, **wrong}, timeout=5).status_code == 400
    account = wxa_sandbox.world.mini_program(APPID)
    assert account.audit.stage_after(10**6) == "auditing"

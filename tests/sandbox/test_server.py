from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from airflow_wxa.sandbox import World, serve
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_wxa.sandbox import RunningSandbox

    At = Callable[[str], str]
    from tests.sandbox.conftest import Wechat


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


@pytest.mark.parametrize("path", ["/wxa/no_such_api", "/wxa/commit/", "/docs", "/openapi.json", "/wxa"])
def test_unknown_paths_come_under_http_200_too(http: requests.Session, at: At, path: str) -> None:
    answer = http.get(at(path), allow_redirects=False)
    assert (answer.status_code, answer.json()["errcode"]) == (200, 40066)


def test_a_missing_token_is_answered_41001(at: At) -> None:
    for url in (at("/wxa/queryquota"), at("/wxa/queryquota?access_token="), at("/wxa/queryquota?token=x")):
        assert requests.get(url, timeout=5).json()["errcode"] == 41001


def test_a_platform_call_wants_its_token_as_access_token(at: At, wxa_sandbox: RunningSandbox) -> None:
    token = wxa_sandbox.world.platforms[0].component_access_token
    url = at("/cgi-bin/component/get_domain_confirmfile")
    assert requests.post(url, params={"component_access_token": token}, timeout=5).json()["errcode"] == 41001
    assert requests.post(url, params={"access_token": token}, timeout=5).json()["errcode"] == 0


def test_a_token_is_read_url_decoded(http: requests.Session, at: At, wxa_sandbox: RunningSandbox) -> None:
    wxa_sandbox.world.mini_programs[0].authorizer_access_token = "a+b/c=d&e"
    http.params = {"access_token": "a+b/c=d&e"}
    assert http.get(at("/wxa/queryquota")).json()["errcode"] == 0


def test_the_qrcode_is_binary_and_its_error_text_plain(http: requests.Session, at: At) -> None:
    refused = http.get(at("/wxa/get_qrcode"))
    assert refused.headers["content-type"].startswith("text/plain")
    assert json.loads(refused.text)["errcode"] == -1
    commit = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}
    http.post(at("/wxa/commit"), json=commit)
    answer = http.get(at("/wxa/get_qrcode"), params={"path": "page/index?action=1"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_answers_are_raw_utf8_even_for_half_a_character(http: requests.Session, at: At) -> None:
    commit = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "结账\ud83d"}
    http.post(at("/wxa/commit"), data=json.dumps(commit))
    answer = http.post(at("/wxa/getversioninfo"), json={})
    assert "结账?".encode() in answer.content


def test_the_journal_is_served(http: requests.Session, at: At) -> None:
    http.get(at("/wxa/queryquota"))
    (entry,) = requests.get(at("/_sandbox/journal"), timeout=5).json()
    assert (entry["method"], entry["path"], entry["appid"]) == ("GET", "/wxa/queryquota", APPID)


def test_reset_goes_back_to_the_start(http: requests.Session, at: At, wxa_sandbox: RunningSandbox) -> None:
    http.post(at("/wxa/setwebviewdomain"), json={"action": "add", "webviewdomain": ["https://example.com"]})
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


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/_sandbox/world", b"{"),
        ("PUT", "/_sandbox/world", b'{"x":1}'),
        ("POST", "/_sandbox/faults", b"x"),
        ("POST", "/_sandbox/faults", b'{"path":"*","kind":"explode"}'),
        ("POST", "/_sandbox/faults", b'{"path":"*","kind":"empty","times":"1"}'),
        ("POST", "/_sandbox/faults", b'[{"kind":"empty"}]'),
    ],
)
def test_a_bad_control_request_is_answered_http_400(
    http: requests.Session, at: At, wxa_sandbox: RunningSandbox, method: str, path: str, body: Any
) -> None:
    before = wxa_sandbox.world.to_json(tokens=True)
    answer = http.request(method, at(path), data=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert wxa_sandbox.world.to_json(tokens=True) == before


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


def test_two_sandboxes_run_side_by_side(wxa_sandbox: RunningSandbox) -> None:
    with serve(World()) as other:
        assert other.url != wxa_sandbox.url
        assert requests.get(f"{other.url}/_sandbox/journal", timeout=5).json() == []


def test_a_port_in_use_is_an_os_error(wxa_sandbox: RunningSandbox) -> None:
    port = int(wxa_sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), serve(World(), port=port):
        pass


def test_an_ipv6_address_stands_in_brackets() -> None:
    with serve(World(), host="::1") as running:
        assert running.url.startswith("http://[::1]:")
        assert requests.get(f"{running.url}/_sandbox/journal", timeout=5).json() == []


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


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8099", "", "[::1", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/", "/_sandbox/world", "/_sandbox/journal"])
def test_a_name_that_is_not_ours_is_refused(wxa_sandbox: RunningSandbox, host: str, path: str) -> None:
    answer = httpx.get(wxa_sandbox.url + path, headers={"Host": host}, trust_env=False)
    assert answer.status_code in (400, 403)
    assert "wx" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8099", "127.0.0.1", "[::1]:8099", "sandbox:8099"])
def test_an_address_or_a_name_of_this_network_is_taken(wxa_sandbox: RunningSandbox, host: str) -> None:
    answer = httpx.get(f"{wxa_sandbox.url}/_sandbox/counts", headers={"Host": host}, trust_env=False)
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1:1", ""])
def test_another_origin_steers_nothing(wxa_sandbox: RunningSandbox, origin: str) -> None:
    before = wxa_sandbox.world.time()
    url = f"{wxa_sandbox.url}/_sandbox/advance?seconds=9000"
    assert httpx.post(url, headers={"Origin": origin}, trust_env=False).status_code == 403
    assert wxa_sandbox.world.time() < before + 9000
    assert httpx.post(url, headers={"Origin": wxa_sandbox.url}, trust_env=False).status_code == 200


def test_wechats_paths_answer_by_any_name(wxa_sandbox: RunningSandbox) -> None:
    answer = httpx.post(f"{wxa_sandbox.url}/wxa/release", headers={"Host": "api.weixin.qq.com"}, trust_env=False)
    assert answer.json()["errcode"] == 41001


def test_the_trial_qr_code_differs_by_version_and_path(wechat: Wechat) -> None:
    wechat.commit("1")
    first = wechat.get("/wxa/get_qrcode")
    wechat.commit("2")
    assert len({first, wechat.get("/wxa/get_qrcode")}) == 2


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

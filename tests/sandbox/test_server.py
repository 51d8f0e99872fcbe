from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_wxa.sandbox import World, serve
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_wxa.sandbox import RunningSandbox

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

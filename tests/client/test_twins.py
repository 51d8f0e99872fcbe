"""Both clients carry calls and steps alike: what is sent, what is repeated, and what becomes of no answer."""

import socket
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import requests

from airflow_wxa import errors
from airflow_wxa.api.audit import submit_audit
from airflow_wxa.api.call import MAX_ANSWER_BYTES, Call
from airflow_wxa.api.code import CodeVersion, commit, get_qrcode, getversioninfo, release
from airflow_wxa.api.webview_domain import WebviewDomain, get_domain_confirmfile, setwebviewdomain
from airflow_wxa.client import Egress, connections, sync
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.exchange import FaultKind
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import DomainOutcome, Pause, Step, configure_domains
from tests.client.conftest import Elsewhere, Twins
from tests.tables import each_row

VERSION = CodeVersion.of(APPID, 47, "1.4.0")
SAFE = [getversioninfo(APPID), setwebviewdomain(APPID, "add", [WebviewDomain("m.example.com")])]
FAULTS = ["drop_before", "drop_after", "html_502", "truncated", "empty", "errcode_before", "errcode_after"]
UNSAFE = [commit(VERSION, "release"), submit_audit(APPID), release(APPID)]


def test_a_call_arrives_as_it_was_made_with_its_owners_token_and_errcode_and_class_come_back(twins: Twins) -> None:
    reply = twins.send(SAFE[1])
    assert (reply.errcode, "canary" in repr(reply)) == (0, False)
    assert twins.send(get_domain_confirmfile()).answer["file_name"]
    first, second = twins.sandbox.journal
    assert (first.method, first.path, first.appid) == ("POST", "/wxa/setwebviewdomain", APPID)
    assert first.body == {"action": "add", "webviewdomain": ["https://m.example.com"]}
    assert (second.path, second.appid) == ("/cgi-bin/component/get_domain_confirmfile", COMPONENT_APPID)
    with pytest.raises(errors.WxaStateError, match="errcode 85019") as raised:
        twins.send(release(APPID))
    assert raised.value.rid
    assert len(twins.sandbox.journal) == 3
    assert "canary" not in repr((SAFE, twins.tokens, twins.sandbox.journal))


def test_a_pause_of_a_step_is_slept_between_its_calls(twins: Twins) -> None:
    def looks_twice() -> Step[float]:
        began = time.monotonic()
        yield SAFE[0]
        yield Pause(0.05)
        yield SAFE[0]
        return time.monotonic() - began

    assert twins.run(looks_twice()) >= 0.05
    assert twins.arrived() == 2
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    twins.options["sleep"] = slept.append if twins.kind == "requests" else sleep
    twins.run(looks_twice())
    assert slept == [0.05]


def test_a_get_has_an_encoded_query_and_no_body_and_a_post_utf_8_json(twins: Twins, elsewhere: Elsewhere) -> None:
    elsewhere.answers(200, b"\xff\xd8\xff jpeg")
    call = Call(get_qrcode(APPID).endpoint, APPID, query={"path": "page/index?action=1"})
    assert twins.send(call, at=Egress(elsewhere.url)).image == b"\xff\xd8\xff jpeg"
    ((method, url, body),) = elsewhere.requests
    assert (method, body) == ("GET", b"")
    assert "path=page%2Findex%3Faction%3D1" in url
    elsewhere.answers(200, b'{"errcode":0}')
    twins.send(commit(VERSION, "发布"), at=Egress(elsewhere.url))
    assert "发布".encode() in elsewhere.requests[0][2]


@each_row("kind", FAULTS)
def test_a_safe_call_is_sent_three_times_at_most_and_an_unsafe_one_never_again(twins: Twins, kind: FaultKind) -> None:
    for call, times in (*((each, 3) for each in SAFE), *((each, 1) for each in UNSAFE)):
        twins.sandbox.add_fault(Fault(path="*", kind=kind, times=times))
        with pytest.raises((errors.WxaTransportError, errors.WxaBusyError)):
            twins.send(call)
        assert twins.arrived() == times


@each_row("errcode", [61039, 45009, 40001, 9402202])
def test_what_a_sensor_or_a_person_waits_for_is_not_repeated_at_once(twins: Twins, errcode: int) -> None:
    """40001 neither: a fixed token has no successor."""
    twins.sandbox.add_fault(Fault(path="*", kind="errcode_before", errcode=errcode))
    with pytest.raises(errors.WxaApiError, match=str(errcode)) as raised:
        twins.send(SAFE[0])
    assert isinstance(raised.value, errors.WxaCredentialError) == (errcode == 40001)
    assert twins.arrived() == 1


@each_row(
    "call, said",
    [
        (getversioninfo("wx0000000000000002"), rf"none for wx0000000000000002[\s\S]*there for: {APPID}"),
        (Call.to("getversioninfo", None), r"getversioninfo not sent: it names no Mini Program[\s\S]*appid = None"),
    ],
)
def test_a_call_for_an_appid_without_a_token_is_not_sent(twins: Twins, call: Call, said: str) -> None:
    with pytest.raises(errors.WxaSpecError, match=said):
        twins.send(call)
    assert twins.arrived() == 0


def test_a_step_is_carried_to_its_end_and_errors_are_thrown_into_it_first(twins: Twins) -> None:
    def configured() -> DomainOutcome:
        return twins.run(configure_domains(APPID, "add", [WebviewDomain("m.example.com")]))

    assert configured().after == ("https://m.example.com",)
    assert twins.sandbox.journal.count("/wxa/setwebviewdomain") == 3
    twins.sandbox.world.platforms[0].published = []
    assert configured().outcome == "platform_list_empty"
    twins.sandbox.world.mini_program(APPID).granted_sets.clear()
    with pytest.raises(errors.WxaPermissionError, match="61007"):  # which no step answers for
        configured()


MOVED = [(status, b"", "{url}", f"HTTP status {status} instead of 200") for status in (301, 302, 303, 307, 308)]
NOWHERE = ["http://[", "http://h:port/", "ftp://h/", "", "\xff", "//"]
ENDLESS = (302, b" " * (3 * MAX_ANSWER_BYTES), "/elsewhere", f"more than {MAX_ANSWER_BYTES} bytes")
REDIRECTS = [*MOVED, *((302, b"moved", where, "release got no") for where in NOWHERE), ENDLESS]
BROKEN = [(200, body, {"Transfer_Encoding": "chunked"}, "no answer: the") for body in (b"5\r\n{}", b"zz\r\n{}")]


@each_row(
    "status, body, headers, said",
    [*((status, body, {"Location": where}, said) for status, body, where, said in REDIRECTS), *BROKEN],
)
def test_a_redirect_is_not_followed_and_a_body_that_breaks_off_is_no_answer(
    twins: Twins, elsewhere: Elsewhere, status: int, body: bytes, headers: dict[str, str], said: str
) -> None:
    elsewhere.answers(status, body, **headers)
    with pytest.raises(errors.WxaTransportError, match=said):
        twins.send(release(APPID), at=Egress(elsewhere.url))
    assert len(elsewhere.requests) == 1


def test_an_answer_longer_than_any_honest_one_is_cut_off(twins: Twins, elsewhere: Elsewhere) -> None:
    elsewhere.answers(200, b'{"errcode":0}' + b" " * (MAX_ANSWER_BYTES - 13))
    assert twins.send(release(APPID), at=Egress(elsewhere.url)).errcode == 0
    elsewhere.answers(200, elsewhere.body + b" ")
    with pytest.raises(errors.WxaTransportError, match=f"more than {MAX_ANSWER_BYTES} bytes"):
        twins.send(release(APPID), at=Egress(elsewhere.url))


def test_a_host_that_cannot_be_reached_is_no_answer(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(said: str, egress: Egress) -> None:
        with pytest.raises(errors.WxaTransportError, match=rf"release got no answer: {said}") as raised:
            twins.send(release(APPID), at=egress)
        assert "the request can be lost, or the answer on its way back" in str(raised.value)
        assert "canary" not in repr(egress)

    def nobody(*_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel takes the connection, and nobody reads
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        refused(r"no answer within 0\.05 s", Egress(url, timeout=0.05))
    refused(rf"[\s\S]*host {url}", Egress(url))
    for host in (f"{'a' * 64}.com", "xn--zz.com", "exa mple.com"):
        refused("", Egress(f"https://{host}", timeout=1))
    refused("the proxy refused", Egress("https://wechat.invalid", proxy=url.replace("//", "//user:canary@")))
    refused("the TLS handshake failed", Egress(twins.sandbox.url.replace("http://", "https://"), timeout=2))
    assert twins.sandbox.journal == []
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    refused(r".*\(DNS\)", Egress("https://wechat.invalid"))


@each_row(
    "proxy", ["ftp://user:canary@127.0.0.1:1", "socks5://user:canary@127.0.0.1:1", "http://user:canary/x@127.0.0.1:1"]
)
def test_a_proxy_that_cannot_be_used_is_no_answer(twins: Twins, proxy: str) -> None:
    at_once = twins.kind == "aiohttp" and not proxy.startswith("http")  # it would speak http to any proxy
    error, said = (errors.WxaSpecError, "proxy is refused") if at_once else (errors.WxaTransportError, "got no answer")
    with pytest.raises(error, match=said) as raised:
        twins.send(release(APPID), at=Egress("http://wechat.invalid", proxy=proxy))
    assert "canary" not in str(raised.value)


@each_row("beside", [{"all_proxy": "socks5://127.0.0.1:1"}, {"no_proxy": "localhost,[::1],fd00::/8"}, None])
def test_calls_go_through_the_proxy_that_is_named_or_of_the_environment(
    twins: Twins, elsewhere: Elsewhere, beside: dict[str, str] | None
) -> None:
    elsewhere.answers(200, elsewhere.body)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            environment.delenv(name, raising=False)
            environment.delenv(name.upper(), raising=False)
        for name, value in ({} if beside is None else {"http_proxy": elsewhere.url, **beside}).items():
            environment.setenv(name, value)
        egress = Egress("http://wechat.invalid", proxy=elsewhere.url if beside is None else None)
        assert twins.send(release(APPID), at=egress).errcode == 0
    assert elsewhere.requests[0][1].startswith("http://wechat.invalid/wxa/release?")


#: Errors that no test here brings about over the network.
IN_WORDS: list[tuple[Callable[[Any, float], str], Exception, str]] = [
    (sync._in_words, requests.ConnectTimeout(), "no connection within 10 s"),
    (sync._in_words, requests.exceptions.InvalidSchema("canary"), "the proxy's URL cannot be used"),
    (sync._in_words, requests.exceptions.InvalidURL("canary"), "the connection broke (InvalidURL)"),
    (sync._in_words, requests.ConnectionError(), "the connection broke (ConnectionError)"),
    (connections.in_words, aiohttp.ConnectionTimeoutError("canary"), "no connection within 10 s"),
    (connections.in_words, aiohttp.InvalidURL("canary"), "the connection broke (InvalidURL)"),
]


@each_row("in_words, error, said", IN_WORDS)
def test_a_librarys_own_words_are_never_repeated(in_words: Any, error: Exception, said: str) -> None:
    assert in_words(error, 10).startswith(said)

"""Bad domains, bodies, params and answers: one typed error each, which names the value; nothing sent after a refusal.

What is refused here goes through a client against the sandbox, whose journal must stay empty; what comes back broken
goes through both clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.audit import get_auditstatus
from airflow_wxa.api.call import MAX_ANSWER_BYTES, Call
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import WebviewDomain, parse_origins
from airflow_wxa.client import Egress
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError, WxaUnknownError
from airflow_wxa.release import FIELDS, ReleaseSpec
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import commit_code, configure_domains, modify_platform_domains, verify_release

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.steps import Step
    from tests.client.conftest import Elsewhere, Twins

DOMAINS: list[Any] = [
    "m.example.com",
    "http://m.example.com",
    "wss://m.example.com",
    "https:/m.example.com",
    "//m.example.com",
    "https://m.example.com:443",
    "https://m.example.com/shop",
    "https://m.example.com?a=1",
    "https://m.example.com#top",
    "https://user@m.example.com",
    "https://1.2.3.4",
    "https://[::1]",
    "https://0x7f.0x1",
    "https://*.example.com",
    "https://localhost",
    "https://m.example.com.",
    "https://m..example.com",
    "https://m_1.example.com",
    "https://m.example.com;n.example.com",
    "https://m example.com",
    "https://m.example.com\n",
    "https://m\ud800.example.com",
    "https://" + "a" * 64 + ".com",
    "",
    None,
    7,
    True,
    b"https://m.example.com",
    ["https://m.example.com"],
    {"host": "m.example.com"},
]

HOSTS: list[Any] = ["https://m.example.com", "m.example.com/", "m.example.com:443", "1.2.3.4", "*.com", "localhost", 7]

COMMIT = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}
TOO_LONG = "v" * (FIELDS["user_version"].schema["maxLength"] + 1)
BODIES: list[tuple[str, dict[str, Any], str]] = [
    ("setwebviewdomain", {"action": "replace"}, "'replace'"),
    ("setwebviewdomain", {"action": "add"}, "{'action': 'add'}"),
    ("setwebviewdomain", {"action": "set", "webviewdomain": []}, "[]"),
    ("setwebviewdomain", {"action": "add", "webviewdomain": "https://a.b"}, "'https://a.b'"),
    ("setwebviewdomain", {"action": "add", "webviewdomain": ["a.b"]}, "'a.b'"),
    ("modify_wxa_jump_domain", {"action": "add", "wxa_jump_h5_domain": "https://a.b"}, "'https://a.b'"),
    ("get_domain_confirmfile", {"host": "a.b"}, "{'host': 'a.b'}"),
    ("commit", {}, "{}"),
    ("commit", COMMIT | {"template_id": "x"}, "'x'"),
    ("commit", COMMIT | {"ext_json": {"ext": 1}}, "{'ext': 1}"),
    ("commit", COMMIT | {"user_version": TOO_LONG}, "'vvvv"),
    ("commit", COMMIT | {"user_desc": "half \ud800"}, "half \\ud800"),
    ("submit_audit", {"privacy_api_not_use": "no"}, "'no'"),
    ("get_auditstatus", {"auditid": 1.5}, "1.5"),
    ("release", {"action": "now"}, "{'action': 'now'}"),
]

PARAMS: dict[str, Any] = {
    "appid": APPID,
    "domain_action": "add",
    "webviewdomain": ["https://m.example.com"],
    "on_platform_list_empty": "stop",
    "on_individual": "stop",
    "template_id": 47,
    "user_version": "1.4.0",
    "ext_json": {},
    "privacy_api_not_use": False,
    "approval": True,
    "release": True,
    "audit_timeout_hours": 264,
}
BAD_PARAMS: list[tuple[str, Any, str]] = [
    ("appid", "wx123", "appid = 'wx123'"),
    ("appid", None, "appid = None"),
    ("domain_action", "replace", "domain_action = 'replace'"),
    ("domain_action", ["add"], "domain_action = ['add']"),
    ("webviewdomain", "https://m.example.com", "webviewdomain = 'https://m.example.com'"),
    ("webviewdomain", [], "webviewdomain = []"),
    ("webviewdomain", ["m.example.com"], "webviewdomain: 'm.example.com'"),
    ("platform_domains", ["https://m.example.com"], "platform_domains: 'https://m.example.com'"),
    ("on_platform_list_empty", "maybe", "on_platform_list_empty = 'maybe'"),
    ("on_individual", True, "on_individual = True"),
    ("template_id", "latest", "template_id = 'latest'"),
    ("template_id", True, "template_id = True"),
    ("user_version", "", "user_version = ''"),
    ("user_version", "1\ud800", "user_version = '1\\ud800'"),
    ("user_desc", 7, "user_desc = 7"),
    ("ext_json", "{}", "ext_json = '{}'"),
    ("ext_json", {"extAppid": "wx0000000000000002"}, "ext_json.extAppid = 'wx0000000000000002'"),
    ("ext_json", {"ext": float("inf")}, "ext_json = {'ext': inf}"),
    ("approval", "yes", "approval = 'yes'"),
    ("audit_timeout_hours", float("nan"), "audit_timeout_hours = nan"),
]

ANSWERS: list[tuple[str, int, bytes, str]] = [
    ("an HTML page", 200, b"<html>log in first</html>", "<html>log in first</html>"),
    ("a gateway's page", 502, b"<html>502 Bad Gateway</html>", "HTTP status 502"),
    ("forbidden", 403, b"", "HTTP status 403"),
    ("an error under 500", 500, b'{"errcode":0}', "HTTP status 500"),
    ("a redirect", 302, b"", "HTTP status 302"),
    ("nothing", 200, b"", "answer empty, bytes 0"),
    ("blanks", 200, b"  \n", "bytes 3"),
    ("cut-off JSON", 200, b'{"errcode":0,"err', '{"errcode":0,"err'),
    ("two objects", 200, b'{"errcode":0}{"errcode":0}', '{"errcode":0}{"errcode":0}'),
    ("a mark and nothing", 200, b"\xef\xbb\xbf", "bytes 3"),
    ("nested deeply", 200, b"[" * 50_000, "bytes 50000"),
    ("a list", 200, b'[{"errcode":0}]', "a JSON list"),
    ("a number", 200, b"0", "a JSON int"),
    ("a text", 200, b'"ok"', "a JSON str"),
    ("null", 200, b"null", "a JSON NoneType"),
    ("errcode as text", 200, b'{"errcode":"ok"}', "errcode 'ok'"),
    ("errcode as boolean", 200, b'{"errcode":false}', "errcode False"),
    ("errcode as fraction", 200, b'{"errcode":0.5}', "errcode 0.5"),
    ("errcode too long", 200, b'{"errcode":' + b"9" * 5000 + b"}", "bytes 5012"),
    ("no payload", 200, b'{"errcode":0}', "without status"),
    ("no field at all", 200, b"{}", "without status"),
    ("a payload of another type", 200, b'{"errcode":0,"status":[7]}', "without status: status = [7]"),
    ("too large", 200, b" " * (MAX_ANSWER_BYTES + 1), f"more than {MAX_ANSWER_BYTES} bytes"),
]


def names(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:24]!r}"


def the_error(twins: Twins, sandbox: RunningSandbox, step: Step[Any]) -> WxaSpecError:
    """Return the one error that a step ends with before anything is sent."""
    with pytest.raises(WxaError) as raised:
        twins.run(Egress(sandbox.url), step)
    assert type(raised.value) is WxaSpecError
    assert sandbox.journal == []
    return raised.value


@pytest.mark.parametrize("domain", DOMAINS, ids=names)
def test_a_bad_domain_is_refused_by_name_and_nothing_is_sent(
    twins: Twins, wxa_sandbox: RunningSandbox, domain: Any
) -> None:
    def release() -> Step[Any]:
        yield from configure_domains(APPID, "add", parse_origins(["https://good.example.com", domain]))

    error = the_error(twins, wxa_sandbox, release())
    assert all(problem.startswith(repr(domain)[:300]) for problem in error.problems)


@pytest.mark.parametrize("host", HOSTS, ids=names)
def test_a_bad_host_is_refused_by_name_and_nothing_is_sent(
    twins: Twins, wxa_sandbox: RunningSandbox, host: Any
) -> None:
    error = the_error(twins, wxa_sandbox, modify_platform_domains("add", ["good.example.com", host]))
    assert [problem.startswith(repr(host)) for problem in error.problems] == [True]


@pytest.mark.parametrize(("name", "body", "value"), BODIES, ids=names)
def test_a_bad_body_is_refused_by_value_and_nothing_is_sent(
    twins: Twins, wxa_sandbox: RunningSandbox, name: str, body: dict[str, Any], value: str
) -> None:
    def send() -> Step[Any]:
        yield Call.to(name, APPID, body)

    error = the_error(twins, wxa_sandbox, send())
    assert any(value in problem for problem in error.problems)


@pytest.mark.parametrize(("name", "value", "said"), BAD_PARAMS, ids=names)
def test_a_bad_param_is_refused_by_name_and_value_and_nothing_is_sent(
    twins: Twins, wxa_sandbox: RunningSandbox, name: str, value: Any, said: str
) -> None:
    def release() -> Step[Any]:
        spec = ReleaseSpec.from_params(PARAMS | {name: value})
        yield from commit_code(spec.version, "release")

    (problem,) = the_error(twins, wxa_sandbox, release()).problems
    assert problem.startswith(said)


@pytest.mark.parametrize(("status", "body", "said"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_a_bad_answer_is_one_transport_error_that_shows_it(
    twins: Twins, elsewhere: Elsewhere, status: int, body: bytes, said: str
) -> None:
    elsewhere.answers(status, body)
    with pytest.raises(WxaError) as raised:
        twins.send(Egress(elsewhere.url), get_auditstatus(APPID, "7"))
    assert type(raised.value) is WxaTransportError
    assert said in str(raised.value)
    assert len(str(raised.value)) < 2000


def test_an_errcode_that_nobody_knows_is_shown_as_itself(twins: Twins, elsewhere: Elsewhere) -> None:
    elsewhere.answers(200, b'{"errcode":7654321,"errmsg":"new rid: 0-1-2"}')
    version = CodeVersion.of(APPID, 47, "1")
    with pytest.raises(WxaUnknownError, match=r"errcode 7654321, errmsg new, rid 0-1-2"):
        twins.run(Egress(elsewhere.url), verify_release(version, [WebviewDomain("m.example.com")]))


def test_there_are_at_least_sixty_cases_of_bad_input() -> None:
    assert sum(map(len, (DOMAINS, HOSTS, BODIES, BAD_PARAMS, ANSWERS))) >= 60

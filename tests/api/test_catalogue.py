"""The catalogue and its schemas: every row whole, and true to samples and to the sandbox."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_wxa.api import audit, code, privacy, release, server_domain, templates, webview_domain
from airflow_wxa.api.call import Call, read_reply
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, TokenKind, files
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.errors import WxaPlatformSetupError
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, World
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.handlers.accounts import BASIC_INFO_SET, RECORDS_SET
from airflow_wxa.sandbox.handlers.code import USER_VERSION_LENGTH
from airflow_wxa.sandbox.platforms import Draft, Template
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.tables import each_row

SCHEMAS = resources.files("airflow_wxa.api").joinpath("schemas")
SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.json"))
VERSION = code.CodeVersion.of(APPID, 47, "1.4.0")
every = each_row("endpoint", CATALOGUE.values())

PRIVACY = {
    "owner_setting": {"contact_email": "ops@example.com", "notice_method": "popup"},
    "setting_list": [{"privacy_key": "Location", "privacy_text": "shops nearby"}],
}

#: A release, call by call: each answer is read by the schema of its endpoint.
RELEASE = (
    Call.to("getaccountbasicinfo", APPID),
    Call.to("get_icp_entrance_info", APPID),
    Call.to("getillegalrecords", APPID, {"end_time": 2}),
    webview_domain.modify_wxa_jump_domain("get"),
    webview_domain.modify_wxa_jump_domain("add", ["example.org"]),
    webview_domain.get_domain_confirmfile(),
    webview_domain.setwebviewdomain(APPID, "get"),
    webview_domain.setwebviewdomain(APPID, "add", [webview_domain.WebviewDomain("m.example.com")]),
    webview_domain.setwebviewdomain(APPID, None),
    server_domain.modify_wxa_server_domain("add", ["example.com"]),
    server_domain.modify_domain(APPID, "add", {"requestdomain": frozenset({"https://m.example.com"})}),
    server_domain.modify_domain_directly(APPID, "get"),
    server_domain.get_effective_domain(APPID),
    webview_domain.get_webviewdomain_confirmfile(APPID),
    webview_domain.setwebviewdomain_directly(APPID, "add", ["https://m.example.com"]),
    templates.gettemplatedraftlist(),
    templates.addtotemplate(12),
    templates.gettemplatelist(),
    code.getversioninfo(APPID),
    code.commit(VERSION, "release 1.4.0"),
    code.get_page(APPID),
    code.get_qrcode(APPID),
    code.get_code_privacy_info(APPID),
    audit.get_category(APPID),
    audit.queryquota(APPID),
    audit.submit_audit(APPID, version_desc="demo 1/1"),
    audit.get_auditstatus(APPID, "400000001"),
    audit.get_latest_auditstatus(APPID),
    Call.to("speedupaudit", APPID, {"auditid": 400000001}),
    audit.undocodeaudit(APPID),
    audit.submit_audit(APPID),
    audit.get_auditstatus(APPID, "400000002"),
    audit.get_material(APPID, "media-1"),
    code.commit(VERSION, "release 1.4.0"),
    audit.submit_audit(APPID),
    code.release(APPID),
    code.getversioninfo(APPID),
    webview_domain.get_effective_webviewdomain(APPID),
    release.get_history_version(APPID),
    code.commit(VERSION, "release 1.4.0"),
    audit.submit_audit(APPID),
    release.grayrelease(APPID, 30),
    release.getgrayreleaseplan(APPID),
    release.revertgrayrelease(APPID),
    audit.uploadmedia(APPID, audit.Media("shop.png", b"\x89PNG")),
    Call.to("change_visitstatus", APPID, {"action": "close"}),
    Call.to("set_prefetchdnsdomain", APPID, {"prefetch_dns_domain": [{"url": "a.example.com"}]}),
    Call.to("get_prefetchdnsdomain", APPID),
    Call.to("getvisitstatus", APPID),
    Call.to("bind_tester", APPID, {"wechatid": "lin"}),
    Call.to("setweappsupportversion", APPID, {"version": "2.20.1"}),
    Call.to("quota/get", APPID, {"cgi_path": "/wxa/commit"}),
    Call.to("clear_quota", APPID, {"appid": APPID}),
    Call.to("rid/get", APPID, {"rid": "1-2-3"}),
    Call.to("deletetemplate", None, {"template_id": 48}),
    privacy.setprivacysetting(APPID, PRIVACY),
    privacy.getprivacysetting(APPID),
    privacy.apply_privacy_interface(APPID, {"api_name": "wx.getLocation", "content": "shops nearby"}),
)


def schema_of(endpoint: Endpoint) -> dict[str, Any]:
    return {part: schema for part, schema in files()[endpoint.name].items() if part != "endpoint"}


@every
def test_a_file_has_the_schemas_that_its_method_needs(endpoint: Endpoint) -> None:
    assert set(schema_of(endpoint)) == {"answer"} | ({"body"} if endpoint.method == "POST" else set())


@every
def test_a_schema_is_itself_valid(endpoint: Endpoint) -> None:
    for half in schema_of(endpoint).values():
        Draft202012Validator.check_schema(half)


@every
def test_a_body_names_all_its_fields_so_that_a_slip_is_refused(endpoint: Endpoint) -> None:
    body = schema_of(endpoint).get("body", {"maxProperties": 0})
    assert body.get("additionalProperties") is False or body.get("maxProperties") == 0


@every
def test_a_row_is_named_by_the_end_of_its_path(endpoint: Endpoint) -> None:
    assert endpoint.path.endswith(f"/{endpoint.name}")
    assert endpoint.path.startswith("/")
    assert endpoint.source
    assert endpoint.query_name in {"access_token", "component_access_token"}


@every
def test_what_writes_and_cannot_be_sent_twice_is_said(endpoint: Endpoint) -> None:
    if not endpoint.writes:
        assert endpoint.safe_to_repeat


@every
def test_a_plain_write_may_be_sent_twice(endpoint: Endpoint) -> None:
    assert not endpoint.plain or (endpoint.writes and (endpoint.safe_to_repeat or endpoint.budget))


def test_a_file_is_named_by_its_endpoint() -> None:
    names = {path.name.removesuffix(".json") for path in SCHEMAS.iterdir() if path.name.endswith(".json")}
    assert names == {name.replace("/", "_") for name in CATALOGUE}


def test_the_calls_that_are_never_blindly_repeated() -> None:
    unsafe = {name for name, row in CATALOGUE.items() if not row.safe_to_repeat}
    assert {"commit", "submit_audit", "undocodeaudit", "release"} <= unsafe
    assert "setwebviewdomain" not in unsafe


def test_the_sandbox_answers_every_row_with_the_same_method_and_token_kind() -> None:
    kinds: dict[TokenKind, Any] = {TokenKind.MERCHANT: MiniProgram, TokenKind.PLATFORM: Platform, TokenKind.NONE: None}
    kinds[TokenKind.EITHER] = Platform | MiniProgram
    theirs = {path: (endpoint.method, endpoint.account) for path, endpoint in ENDPOINTS.items()}
    ours = {row.path: (row.method, kinds[row.token]) for row in CATALOGUE.values()}
    assert ours.items() - theirs.items() == set(), "declare these in airflow_wxa/sandbox/handlers/"


def test_the_longest_version_that_we_send_is_the_longest_that_the_sandbox_takes() -> None:
    assert files()["commit"]["body"]["properties"]["user_version"]["maxLength"] == USER_VERSION_LENGTH


@each_row("path", sorted({path for row in errcodes().values() for path in row.endpoints} - {"*"}))
def test_an_errcode_is_filed_under_a_path(path: str) -> None:
    assert path.startswith("/")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_read(sample: Path) -> None:
    call = Call.to(sample.name.partition(".")[0], APPID)
    answer = json.loads(sample.read_text("utf-8"))
    if sample.stem == "setwebviewdomain.refused":
        with pytest.raises(WxaPlatformSetupError, match="89021"):
            read_reply(call, 200, sample.read_bytes())
    else:
        read = read_reply(call, 200, sample.read_bytes()).answer
        assert read == answer | ({"auditid": str(answer["auditid"])} if "auditid" in answer else {})


@pytest.fixture
def answers(wxa_world: World) -> list[tuple[Call, bytes]]:
    """Return every call of a release with what the sandbox answers it."""
    mini_program = wxa_world.mini_program(APPID)
    mini_program.scan_polls = 0
    # The first sheet is withdrawn, the second rejected with a screenshot, the others approved.
    rejected = AuditPlan(polls=0, result="rejected", screenshot="media-1")
    plans = iter([AuditPlan(polls=9), rejected, AuditPlan(polls=0), AuditPlan(polls=0)])
    wxa_world.platforms[0].drafts = [Draft(draft_id=12)]
    wxa_world.platforms[0].templates = [Template(template_id=48)]
    wxa_world.platforms[0].speedup_rest = 1
    wxa_world.refused["1-2-3"] = {"request_url": "/wxa/release"}
    mini_program.granted_sets |= {BASIC_INFO_SET, RECORDS_SET}
    sandbox = Sandbox.of(wxa_world)
    answered = []
    for call in RELEASE:
        token = PLATFORM_TOKEN if call.endpoint.token is TokenKind.PLATFORM else MERCHANT_TOKEN
        if call.endpoint.name == "submit_audit":
            mini_program.audit = next(plans)
        request = Request(
            method=call.endpoint.method,
            path=call.endpoint.path,
            query={"access_token": token, **call.query},
            raw=call.content() or b"",
        )
        answer, _ = sandbox.answer(request)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        answered.append((call, raw))
    return answered


def test_every_answer_of_the_sandbox_holds_to_the_schema_of_its_endpoint(answers: list[tuple[Call, bytes]]) -> None:
    for call, raw in answers:
        reply = read_reply(call, 200, raw)
        assert reply.errcode == 0, (call.endpoint.name, raw)
    asked = {call.endpoint.name for call, _ in answers}
    in_catalogue = {name for name, row in CATALOGUE.items() if not row.holds_secrets}
    assert in_catalogue - asked == set(), "call these in RELEASE: their answers are held to the schemas"


@each_row("endpoint", [each for each in CATALOGUE.values() if not ENDPOINTS[each.path].media])
def test_the_sandbox_knows_each_field_that_we_send(endpoint: Endpoint) -> None:
    sent = set(files()[endpoint.name].get("body", {}).get("properties", ()))
    assert sent - set(ENDPOINTS[endpoint.path].fields) == set()

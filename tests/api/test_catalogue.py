"""The catalogue and its schemas: every endpoint named anywhere, rows whole, and true to samples and the sandbox."""

import json
import re
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
NAMED = json.loads((Path(__file__).parent / "named_endpoints.json").read_text("utf-8"))
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/endpoints.md").read_text("utf-8")
STUBS = [(ROOT / "airflow_wxa" / room / "__init__.pyi").read_text("utf-8") for room in ("operators", "sensors")]
OPERATORS = set(re.findall(r"^class (Wxa\w+)", "\n".join(STUBS), re.MULTILINE))
every = each_row("row", CATALOGUE.values())

OWNER = {"contact_email": "ops@example.com", "notice_method": "popup"}
PRIVACY = {"owner_setting": OWNER, "setting_list": [{"privacy_key": "Location", "privacy_text": "shops nearby"}]}

#: A release, call by call: each answer is read by the schema of its endpoint.
RELEASE = (
    *(Call.to(each, APPID) for each in ("getaccountbasicinfo", "get_icp_entrance_info", "get_category", "queryquota")),
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
    *(Call.to(each, APPID) for each in ("get_effective_domain", "get_webviewdomain_confirmfile")),
    webview_domain.setwebviewdomain_directly(APPID, "add", ["https://m.example.com"]),
    templates.gettemplatedraftlist(),
    templates.addtotemplate(12),
    templates.gettemplatelist(),
    code.getversioninfo(APPID),
    code.commit(VERSION, "release 1.4.0"),
    *(Call.to(each, APPID) for each in ("get_page", "get_qrcode", "get_code_privacy_info")),
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
    *(Call.to(each, APPID) for each in ("release", "getversioninfo", "get_effective_webviewdomain")),
    release.get_history_version(APPID),
    code.commit(VERSION, "release 1.4.0"),
    audit.submit_audit(APPID),
    release.grayrelease(APPID, 30),
    *(Call.to(each, APPID) for each in ("getgrayreleaseplan", "revertgrayrelease")),
    audit.uploadmedia(APPID, audit.Media("shop.png", b"\x89PNG")),
    Call.to("change_visitstatus", APPID, {"action": "close"}),
    Call.to("set_prefetchdnsdomain", APPID, {"prefetch_dns_domain": [{"url": "a.example.com"}]}),
    *(Call.to(each, APPID) for each in ("get_prefetchdnsdomain", "getvisitstatus")),
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


@every
def test_a_row_is_whole_with_the_schemas_that_its_method_needs_and_its_body_names_all_fields(row: Endpoint) -> None:
    assert row.path.endswith(f"/{row.name}")
    assert row.path.startswith("/")
    assert row.source
    assert row.query_name in {"access_token", "component_access_token"}
    assert row.writes or row.safe_to_repeat
    assert not row.plain or (row.writes and (row.safe_to_repeat or row.budget)), "a plain write may be sent twice"
    assert f"`{row.method} {row.path}`" in PAGE
    file = json.loads(SCHEMAS.joinpath(f"{row.name.replace('/', '_')}.json").read_text("utf-8"))
    assert file.keys() == {"endpoint", "answer"} | ({"body"} if row.method == "POST" else set())
    for half in file.keys() - {"endpoint"}:
        Draft202012Validator.check_schema(file[half])
    body = file.get("body", {"maxProperties": 0})
    assert body.get("additionalProperties") is False or body.get("maxProperties") == 0


def test_every_named_endpoint_is_counted_once() -> None:
    rows, others = NAMED["rows"], NAMED["without_a_row"]
    assert rows.keys() & others.keys() == set()
    assert {row.path for row in CATALOGUE.values()} == rows.keys()
    assert len(rows) == len(CATALOGUE) == len(list(SCHEMAS.iterdir())) > 40
    filed = {path for row in errcodes().values() for path in row.endpoints} - {"*", "/cgi-bin/component/*"}
    assert filed - rows.keys() - others.keys() == set()


@every
def test_a_row_has_an_operator_or_says_why_it_has_none(row: Endpoint) -> None:
    said = NAMED["rows"][row.path]
    operators = set(re.findall(r"`(Wxa\w+(?:Operator|Sensor))`", said))
    assert operators <= OPERATORS
    assert operators or (said.startswith("none: ") and len(said) > len("none: ") + 20)
    assert operators or not row.writes or row.holds_secrets or row.plain, "nothing sends it: say plain in its schema"


@each_row("path, why", NAMED["without_a_row"].items())
def test_what_has_no_row_says_why_and_stands_in_the_docs(path: str, why: str) -> None:
    assert len(why) > 20
    assert f"| `{path}` | {why} |" in PAGE


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


@each_row("sample", SAMPLES)
def test_a_sample_is_read(sample: Path) -> None:
    call = Call.to(sample.name.partition(".")[0], APPID)
    answer = json.loads(sample.read_text("utf-8"))
    if sample.stem == "setwebviewdomain.refused":
        with pytest.raises(WxaPlatformSetupError, match="89021"):
            read_reply(call, 200, sample.read_bytes())
    else:
        read = read_reply(call, 200, sample.read_bytes()).answer
        assert read == answer | ({"auditid": str(answer["auditid"])} if "auditid" in answer else {})


def test_every_answer_of_the_sandbox_holds_to_the_schema_of_its_endpoint(wxa_world: World) -> None:
    mini_program, platform = wxa_world.mini_program(APPID), wxa_world.platforms[0]
    mini_program.scan_polls = 0
    # The first sheet is withdrawn, the second rejected with a screenshot, the others approved.
    rejected = AuditPlan(polls=0, result="rejected", screenshot="media-1")
    plans = iter([AuditPlan(polls=9), rejected, AuditPlan(polls=0), AuditPlan(polls=0)])
    platform.drafts, platform.templates, platform.speedup_rest = [Draft(draft_id=12)], [Template(template_id=48)], 1
    wxa_world.refused["1-2-3"] = {"request_url": "/wxa/release"}
    mini_program.granted_sets |= {BASIC_INFO_SET, RECORDS_SET}
    sandbox = Sandbox.of(wxa_world)
    for call in RELEASE:
        if call.endpoint.name == "submit_audit":
            mini_program.audit = next(plans)
        token = PLATFORM_TOKEN if call.endpoint.token is TokenKind.PLATFORM else MERCHANT_TOKEN
        query = {"access_token": token, **call.query}
        answer, _ = sandbox.answer(Request(call.endpoint.method, call.endpoint.path, query, call.content() or b""))
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        assert read_reply(call, 200, raw).errcode == 0, (call.endpoint.name, raw)
    asked = {call.endpoint.name for call in RELEASE}
    in_catalogue = {name for name, row in CATALOGUE.items() if not row.holds_secrets}
    assert in_catalogue - asked == set(), "call these in RELEASE: their answers are held to the schemas"


@each_row("endpoint", [each for each in CATALOGUE.values() if not ENDPOINTS[each.path].media])
def test_the_sandbox_knows_each_field_that_we_send(endpoint: Endpoint) -> None:
    sent = set(files()[endpoint.name].get("body", {}).get("properties", ()))
    assert sent - set(ENDPOINTS[endpoint.path].fields) == set()

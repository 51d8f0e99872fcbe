"""The table of fields, and the params of a run, checked as a whole before anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.release import FIELDS, Field, ReleaseSpec, read_release, refuse
from airflow_wxa.sandbox.testing import APPID
from tests.tables import each_row

LONGEST = FIELDS["user_version"].schema["maxLength"]
#: The others have defaults.
PARAMS: dict[str, Any] = {
    "appid": APPID,
    "webviewdomain": ["https://m.example.com"],
    "template_id": 47,
    "user_version": "1.4.0",
}


def test_good_params_become_a_release() -> None:
    spec = ReleaseSpec.from_params(PARAMS | {"webviewdomain": ["https://N.example.com/", "https://m.example.com"]})
    assert spec.action == "add"
    assert spec.wanted == (WebviewDomain("m.example.com"), WebviewDomain("n.example.com"))
    assert spec.platform_hosts == ("m.example.com", "n.example.com")
    assert (spec.version.appid, spec.version.template_id, spec.version.user_version) == (APPID, "47", "1.4.0")
    refuse([])  # nothing to refuse is no error


@pytest.mark.parametrize(
    ("word", "action"), [("add", "add"), ("set", "set"), ("delete", "delete"), ("get", "get"), ("all", None)]
)
def test_an_action_of_the_form_is_wechats_own_and_get_and_all_take_no_domains(word: str, action: str | None) -> None:
    wanted = [] if word in {"get", "all"} else PARAMS["webviewdomain"]
    spec = ReleaseSpec.from_params(PARAMS | {"domain_action": word, "webviewdomain": wanted})
    assert (spec.action, [each.origin for each in spec.wanted]) == (action, wanted)
    assert len(spec.platform_hosts) == len(wanted)


def test_named_platform_hosts_are_registered_instead_of_the_wanted_ones() -> None:
    params = PARAMS | {"on_platform_list_empty": "register", "platform_domains": ["Example.com"]}
    assert ReleaseSpec.from_params(params).platform_hosts == ("example.com",)


#: Changed params that can be right.
PASSES: list[dict[str, Any]] = [
    {"template_id": "47"},
    {"template_id": 0},
    {"user_version": "9" * LONGEST},
    {"user_desc": "发布"},
    {"user_desc": None, "version_desc": None},
    {"audit_timeout_hours": 0.5},
    {"ext_json": {"ext": {"shop": "8016"}, "extAppid": APPID, "unknown": [1]}},
    {"no_field_of_ours": 7},
    {"domain_action": "set", "on_platform_list_empty": "register"},
    {"approvers": ["wu", "7"]},
]


@each_row("changes", PASSES)
def test_what_can_be_right_passes(changes: dict[str, Any]) -> None:
    assert read_release(PARAMS | changes)[1] == []


GUIDE = {"owner_setting": {"contact_email": "ops@example.com", "notice_method": "弹窗"}, "setting_list": []}

#: Changed params, and what is said of them.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"appid": "wx123"}, "appid = 'wx123': must be wx and 16 hex digits"),
    ({"appid": APPID.upper()}, "appid = 'WX0000000000000001'"),
    ({"appid": f"{APPID}\n"}, "appid = 'wx0000000000000001\\n'"),
    ({"appid": None}, "appid = None"),
    ({"appid": 7}, "appid = 7"),
    ({"domain_action": "replace"}, "domain_action = 'replace': must be one of add, set, delete, get, all"),
    ({"domain_action": None}, "domain_action = None: must be one of"),
    ({"domain_action": ["add"]}, "domain_action = ['add']: must be one of"),
    ({"on_platform_list_empty": "maybe"}, "on_platform_list_empty = 'maybe': must be one of stop, register"),
    ({"on_individual": True}, "on_individual = True: must be one of release_without_domains, stop"),
    ({"template_id": "latest"}, "template_id = 'latest'"),
    ({"template_id": None}, "template_id = None"),
    ({"template_id": -1}, "template_id = -1"),
    ({"approvers": [""]}, "approvers[0] = ''"),
    ({"user_version": ""}, "user_version = ''"),
    ({"user_version": "v" * (LONGEST + 1)}, "user_version = 'vvv"),
    ({"user_version": "\ud800"}, "user_version = '\\ud800'"),
    ({"user_desc": 7}, "user_desc = 7: must be a text"),
    ({"user_desc": "\ud800"}, "user_desc = '\\ud800': must be a text"),
    ({"version_desc": []}, "version_desc = []: must be a text"),
    ({"platform_conn_id": 1}, "platform_conn_id = 1: must be a text"),
    ({"wxa_conn_id": {}}, "wxa_conn_id = {}: must be a text"),
    ({"ext_json": "{}"}, "ext_json = '{}': must be an object"),
    ({"ext_json": {"extAppid": "wx0000000000000002"}}, "ext_json.extAppid = 'wx0000000000000002'"),
    ({"privacy_api_not_use": "false"}, "privacy_api_not_use = 'false': must be true or false"),
    ({"approval": None}, "approval = None: must be true or false"),
    ({"release": 1}, "release = 1: must be true or false"),
    ({"audit_timeout_hours": 0}, "audit_timeout_hours = 0: must be a number of hours above 0, at most 8760"),
    ({"audit_timeout_hours": -1}, "audit_timeout_hours = -1"),
    ({"audit_timeout_hours": "264"}, "audit_timeout_hours = '264'"),
    ({"audit_timeout_hours": True}, "audit_timeout_hours = True"),
    ({"audit_timeout_hours": float("nan")}, "audit_timeout_hours = nan"),
    ({"audit_timeout_hours": float("inf")}, "audit_timeout_hours = inf"),
    ({"webviewdomain": "https://m.example.com"}, "webviewdomain = 'https://m.example.com': must be a list"),
    ({"webviewdomain": None}, "webviewdomain = None: must be a list"),
    ({"webviewdomain": ["m.example.com"]}, "webviewdomain: 'm.example.com' has no scheme"),
    ({"webviewdomain": []}, "webviewdomain = []: domain_action add needs at least one"),
    ({"domain_action": "get"}, "webviewdomain = ['https://m.example.com']: domain_action get takes none"),
    ({"domain_action": "all"}, "webviewdomain = ['https://m.example.com']: domain_action all takes none"),
    ({"platform_domains": "example.com"}, "platform_domains = 'example.com': must be a list"),
    ({"platform_domains": ["https://example.com"]}, "platform_domains: 'https://example.com' is no bare host"),
    (
        {"domain_action": "delete", "on_platform_list_empty": "register"},
        "on_platform_list_empty = 'register': goes with domain_action add or set, not 'delete'",
    ),
    (
        {"on_platform_list_empty": "register", "platform_domains": ["other.com"]},
        "webviewdomain: 'https://m.example.com' is covered by none of platform_domains = ['other.com']",
    ),
    ({"domain_mode": "both"}, "domain_mode = 'both'"),
    ({"domain_mode": "direct", "domain_action": "all", "webviewdomain": []}, "domain_action = 'all'"),
    ({"domain_mode": "direct", "on_platform_list_empty": "register"}, "on_platform_list_empty = 'register'"),
    ({"server_domains": {"requestdomain": ["wss://a.example.com"]}}, "server_domains: requestdomain: "),
    ({"server_domains": {"action": "set"}}, "server_domains: {'action': 'set'}: names no domain, leave it empty"),
    ({"privacy_setting": {**GUIDE, "privacy_ver": 1}}, "privacy_setting = "),
    ({"check_account": "yes"}, "check_account = 'yes': must be true or false"),
]


ITEM = {"first_class": "IT", "second_class": "tools", "first_id": 1, "second_id": 2}
#: An audit form, and what is said of it behind the name of the param.
FORMS: list[tuple[Any, str]] = [
    ({"item_list": []}, ".item_list = []: must be a list of one to five entries"),
    ({"item_list": [ITEM] * 6}, ".item_list = ["),
    ({"item_list": [ITEM, {"first_id": 1}]}, ".item_list[1] = {'first_id': 1}: must be an entry with"),
    ({"item_list": [ITEM | {"first_id": "1"}]}, ".item_list[0].first_id = '1': must be an id"),
    ({"item_list": [ITEM | {"tag": "a " * 11}]}, ".item_list[0].tag = "),
    ({"item_list": [ITEM | {"title": "t" * 33}]}, ".item_list[0].title = "),
    ({"item_list": [ITEM | {"fourth_id": 1}]}, ".item_list[0] = "),
    ({"preview_info": {"pic_id_list": "media"}}, ".preview_info.pic_id_list = 'media': must be a list"),
    ({"preview_info": {"pics": []}}, ".preview_info = {'pics': []}: must be an object with video_id_list"),
    ({"feedback_info": "f" * 201}, ".feedback_info = "),
    ({"feedback_stuff": "a|b|c|d|e|f"}, ".feedback_stuff = 'a|b|c|d|e|f': must be one to five media ids"),
    ({"ugc_declare": {"scene": [6]}}, ".ugc_declare.scene[0] = 6: must be 0 none"),
    ({"ugc_declare": {"method": [0]}}, ".ugc_declare.method[0] = 0: must be 1"),
    ({"ugc_declare": {"has_audit_team": True}}, ".ugc_declare.has_audit_team = True: must be 0 or 1"),
    ({"order_path": ""}, ".order_path = ''"),
    ({"version_desc": "v"}, " = {'version_desc': 'v'}: must be an object of item_list"),
    ({"privacy_api_not_use": True}, " = {'privacy_api_not_use': True}: must be an object of item_list"),
    ([], " = []: must be an object"),
]
#: Changed params of which several things may be wrong, and one of them.
SEVERAL: list[tuple[dict[str, Any], str]] = [
    ({"server_domains": {"action": "get"}}, "server_domains.action = 'get': must be add, delete or set"),
    ({"server_domains": {"domain": []}}, "server_domains: 'domain': must be one of requestdomain"),
    ({"privacy_setting": {"owner_setting": {}}}, "privacy_setting.owner_setting = {}: must be an object with"),
    *(({"audit_form": form}, f"audit_form{said}") for form, said in FORMS),
]


@each_row("changes, said", [*REFUSED, *SEVERAL])
def test_a_param_that_cannot_be_right_is_named_with_its_value(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(WxaSpecError, match="this release cannot be started") as raised:
        ReleaseSpec.from_params(PARAMS | changes)
    found = raised.value.problems
    assert len([problem for problem in found if problem.startswith(said)]) == 1
    assert len(found) == 1 or (changes, said) in SEVERAL


def test_what_is_left_out_has_a_default_of_its_own_and_what_has_none_is_named() -> None:
    ReleaseSpec.from_params(PARAMS).params["approvers"].append("lin")
    left_out = ReleaseSpec.from_params(PARAMS).params
    assert {name: left_out[name] for name in FIELDS if name not in PARAMS} == {
        name: field.default for name, field in FIELDS.items() if name not in PARAMS
    }
    assert left_out["approvers"] == []
    _, problems = read_release({"domain_action": "get"})
    assert [problem.partition(" ")[0] for problem in problems] == ["appid", "template_id", "user_version"]


def test_every_problem_is_reported_at_once_and_begins_with_the_name_of_its_field() -> None:
    with pytest.raises(WxaSpecError) as raised:
        ReleaseSpec.from_params(dict.fromkeys(FIELDS, object()))
    assert {problem.partition(" ")[0] for problem in raised.value.problems} == set(FIELDS)


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_a_field_has_a_schema_that_its_default_fits_and_words_for_people(field: Field) -> None:
    Draft202012Validator.check_schema(field.schema)
    assert field.required or field.problems(field.default) == []
    (problem,) = field.problems(object())
    assert problem.startswith(f"{field.name} = ")
    assert problem.endswith(f": must be {field.must}")
    assert field.title
    assert field.help.endswith((".", ")"))


def test_a_limit_of_wechats_stands_once() -> None:
    assert FIELDS["user_version"].must == f"a text of 1 to {LONGEST} characters"
    sources = [
        path for path in (Path(__file__).parents[2] / "airflow_wxa").rglob("*.py") if "sandbox" not in path.parts
    ]
    assert [path.name for path in sources if re.search(rf"\b{LONGEST} characters", path.read_text("utf-8"))] == []

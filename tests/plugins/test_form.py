"""The form of a release: what people paste into it, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_wxa.plugins.board.form import as_texts, read_form
from airflow_wxa.release import FIELDS
from airflow_wxa.texts import in_language

A, B = "wx00000000000000a1", "wx00000000000000b2"
NAMES = {"茶馆": [A], "Bakery, the": [B], "花店": [A, B]}
DEFAULTS = {name: field.default for name, field in FIELDS.items()}
DOMAINS = ["https://m.example.com", "https://h5.example.com"]
FILLED = {"template_id": "47", "user_version": "1.5.0", "webviewdomain": "\n".join(DOMAINS)}


def read(merchants: str, **texts: str) -> Any:
    return read_form({"merchants": merchants, **FILLED, **texts}, lambda name: NAMES.get(name, []), DEFAULTS)


def test_a_column_may_have_a_fields_title_in_either_language() -> None:
    headings = f"appid,Version (user_version),what changed,模板,{in_language(FIELDS['webviewdomain'].title, 'zh')}"
    filled = read(f"{headings}\n{A},1.6.0,spring,48,https://a.example.com")
    asked = ("user_version", "user_desc", "template_id", "webviewdomain")
    assert [filled.conf[name] for name in asked] == ["1.6.0", "spring", "48", ["https://a.example.com"]]


@pytest.mark.parametrize("merchant", [A, "茶馆", f" {A}\n\n"])
def test_one_mini_program_is_a_release(merchant: str) -> None:
    assert read(merchant).conf == FILLED | {"appid": A, "webviewdomain": DOMAINS}


def test_what_the_dag_has_as_its_default_is_left_to_it() -> None:
    assert "approval" not in read(A, approval="true", wxa_conn_id="wxa_default").conf
    assert read(A, approval="false").conf["approval"] is False
    texts = {"merchants": A, **FILLED, "domain_action": "set"}
    assert "domain_action" not in read_form(texts, lambda _: [], DEFAULTS | {"domain_action": "set"}).conf


def test_the_texts_of_a_run_are_its_params_again() -> None:
    conf = {"webviewdomain": ["https://a.example.com"], "ext_json": {"ext": {"a": 1}}, "approval": False, "appid": A}
    texts = as_texts(conf)
    assert texts["webviewdomain"] == "https://a.example.com"
    assert read(A, **texts).conf["ext_json"] == {"ext": {"a": 1}}


def test_several_are_a_fleet_with_the_values_of_all() -> None:
    filled = read('茶馆\n"Bakery, the"', approval="false")
    manifest = json.loads(filled.conf["manifest"])
    assert manifest["apps"] == [A, B]
    assert manifest["release"]["user_version"] == "1.5.0"
    assert manifest["waves"] == {"canary": {"apps": 1}, "early": {"percent": 10}}
    assert filled.conf["approval"] is False


def test_a_fleet_is_sent_with_what_the_form_of_a_teams_dag_showed() -> None:
    teams = DEFAULTS | {"domain_action": "set", "wxa_conn_id": "wxa_team", "approvers": ["wang"]}
    texts = {"merchants": f"{A}\n{B}", **FILLED, "domain_action": "set", "wxa_conn_id": "wxa_team"}
    conf = read_form(texts, lambda _: [], teams).conf
    assert json.loads(conf["manifest"])["release"]["domain_action"] == "set"
    assert (conf["wxa_conn_id"], conf["approvers"]) == ("wxa_team", ["wang"])


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_spreadsheet_maps_its_columns(separator: str) -> None:
    rows = [
        ["\ufeff名称", "小程序", "版本号", "业务域名"],
        ["茶馆", A, "1.5.1", "https://a.example.com"],
        ["", B, "", ""],
    ]
    filled = read("\n".join(separator.join(row) for row in rows))
    assert not filled.problems
    apps = json.loads(filled.conf["manifest"])["apps"]
    assert apps == [{"appid": A, "user_version": "1.5.1", "webviewdomain": ["https://a.example.com"]}, B]


#: Merchants and texts of a form, the field that is wrong, and what is said of it.
WRONG: list[tuple[str, dict[str, str], str, str]] = [
    ("", {}, "merchants", "appid = ''"),
    ("nobody", {}, "merchants", "line 1: 'nobody' is neither an appid"),
    ("花店", {}, "merchants", "several Mini Programs are called"),
    (f"appid,colour\n{A},red", {}, "merchants", "'colour': is no field"),
    (f"appid,user_version\n{A}", {}, "merchants", "line 2: has 1 fields, not 2"),
    (f"appid,webviewdomain\n{A},{DOMAINS[0]}\n{B},nonsense", {}, "merchants", "merchants:3: webviewdomain"),
    (f"{A}\n{A}", {}, "merchants", "stands twice"),
    (f'appid\n"{A}', {}, "merchants", "line 2: is no CSV"),
    (A, {"webviewdomain": ""}, "webviewdomain", "webviewdomain"),
    (A, {"template_id": "four"}, "template_id", "template_id"),
    (A, {"audit_timeout_hours": "soon"}, "audit_timeout_hours", "must be a number of hours"),
    (f"{A}\n{B}", {"user_version": ""}, "user_version", "user_version"),
    (f"{A}\n{B}", {"withdraw_foreign_audit": "true"}, "withdraw_foreign_audit", "one Mini Program at a time"),
]


@pytest.mark.parametrize(("merchants", "texts", "field", "said"), WRONG)
def test_a_problem_stands_beside_its_field(merchants: str, texts: dict[str, str], field: str, said: str) -> None:
    filled = read(merchants, **texts)
    assert filled.conf == {}
    told = [each for each in filled.problems[field] if said in each]
    assert told, filled.problems
    assert [each for each in told if in_language(each, "zh") == each] == []

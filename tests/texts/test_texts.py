"""Each text that people read is in every language, with the same values, and fits a task's log."""

import ast
import importlib
import json
import pickle
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from string import Formatter
from unicodedata import east_asian_width

import pytest

import airflow_wxa
from airflow_wxa import texts
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import ERROR_CLASSES, errcodes, error_for
from airflow_wxa.api.log_text import log_text
from airflow_wxa.api.push import PushRefusedError, Refusal
from airflow_wxa.cli.conformance import ASSUMPTIONS
from airflow_wxa.cli.definitions import names
from airflow_wxa.cli.doctor.rules import RULES
from airflow_wxa.errors import WxaError, WxaSpecError, WxaStateError
from airflow_wxa.notifications.notifier import EVENTS
from airflow_wxa.plugins.board import languages as board_languages
from airflow_wxa.release import FIELDS
from airflow_wxa.steps import outcome
from airflow_wxa.texts import ENGLISH, Text, from_data, in_language, languages, templates, to_data
from airflow_wxa.texts.setting import as_set
from tests.tables import each_row

ROOT = Path(airflow_wxa.__file__).parent
OTHERS = [language for language in languages() if language != ENGLISH]
#: Texts that are made of another name: an errcode, a refused push, a field, a DAG.
MADE = {f"errcode_{code}" for code in errcodes()} | {f"push_is_{reason}" for reason in Refusal}
MADE |= {f"event_{name}" for name in EVENTS} | {f"audit_{end}" for end in ("approved", "rejected", "withdrawn")}
MADE |= {f"sheet_is_{word}" for word in ("auditing", "delayed", "approved", "rejected", "withdrawn")}
MADE |= {f"rule_{rule.key}" for rule in RULES} | {f"assumption_{key}" for key in ASSUMPTIONS} | {"command_shared"}
MADE |= {f"demo_check_{about}" for about in ("tickets", "order", "ledger")}
MADE |= {f"acts_on_{name}" for name in ("ok", *ERROR_CLASSES)}
MADE |= {f"owner_{each}" for each in ("individual", "company", "withdrew")}
MADE |= {f"command_{name}".replace("-", "_") for group in ("program", "wxa") for name in names(group)}
MADE |= {f"command_{group}_{name}" for group in ("fleet", "db") for name in names(group)}
MADE |= {f"field_{name}" for name in FIELDS} | {f"dag_{path.stem}" for path in (ROOT / "dags").glob("wxa_*.py")}
MADE |= {
    f"outcome_{kind.lower()}_{word}"
    for kind in ("Commit", "Gray", "Submit", "Template", "Withdraw")
    for word in re.findall(r"'(\w+)'", vars(outcome)[f"{kind}Outcome"].__annotations__["outcome"])
}
#: Recognised: what a value must be stands in JSON Schema files and readers, behind a name and a value.
MADE |= {"value_must_be", "must"}
#: WeChat's own answers, which the sandbox imitates, are texts of WeChat's.
ELSEWHERE = {"sandbox"}


@cache
def modules() -> dict[str, ast.Module]:
    paths = (path for path in sorted(ROOT.rglob("*.py")) if not ELSEWHERE & set(path.relative_to(ROOT).parts))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                yield f"{module}:{node.lineno}", name, node


def names_in(*of: str) -> set[str]:
    return {name for template in of for _, name, *_ in Formatter().parse(template) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_text_with_the_same_values(language: str) -> None:
    def shape(of: str) -> dict[tuple[str, str], set[str]]:
        entries = {(key, part): names_in(text) for key, entry in templates(of).items() for part, text in entry.items()}
        return {place: names for place, names in entries.items() if place[1] not in {"source", "tag"}}

    english, other = shape(ENGLISH), shape(language)
    assert len(english) > 300
    places = english.keys() | other.keys()
    assert {
        place: (english.get(place), other.get(place)) for place in places if english.get(place) != other.get(place)
    } == {}


def test_chinese_is_chinese() -> None:
    entries = {f"{key}.{part}": text for key, entry in templates("zh").items() for part, text in entry.items()}
    words = {place: text for place, text in entries.items() if " " in text.strip()}
    plain = {place for place, text in words.items() if not any(width(each) == 2 for each in text)}
    assert {place for place in plain if names_in(words[place]) == set()} == set()


def test_every_text_is_used() -> None:
    used = {node.value for tree in modules().values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(templates(ENGLISH)) - used - MADE == {"between"} - used


def test_every_text_gets_the_values_that_it_names() -> None:
    wrong = {}
    for where, name, node in calls():
        if (
            name in {"Text", "Unknown", "found", "phrase"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value not in {"", "page"}  # of whose parts each has values of its own
        ):
            entry = templates(ENGLISH).get(str(node.args[0].value), {})
            given = {each.arg for each in node.keywords} - {"between", None}
            starred = any(each.arg is None for each in node.keywords)
            if not entry or (given != names_in(*entry.values()) and not starred):
                wrong[where] = (node.args[0].value, given ^ names_in(*entry.values()))
    assert wrong == {}


def sentences(node: ast.expr) -> list[str]:
    """Return the words that stand in an expression itself, and in none of its calls."""
    match node:
        case ast.Constant(value=str(text)):
            return [text] if " " in text.strip() else []
        case ast.JoinedStr() | ast.IfExp() | ast.BoolOp() | ast.BinOp() | ast.List() | ast.FormattedValue():
            return [
                text for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr) for text in sentences(each)
            ]
    return []


def test_no_error_is_told_in_a_text_without_a_key() -> None:
    plain = {}
    for where, name, node in calls():
        if name == "DemoRelease":  # whose next step is what a task's log is compared to
            continue
        is_error = name.startswith("Wxa") and name.endswith(("Error", "Rejected"))
        parts = list(node.args[:2]) if is_error else []
        parts += [each.value for each in node.keywords if each.arg in {"why", "next_step"}]
        parts += [each.value for each in node.keywords if each.arg == "what" and name in {"error_for", "refusal"}]
        if found := [text for part in parts for text in sentences(part)]:
            plain[where] = found
    assert plain == {}


def as_it_reads(node: ast.expr) -> str:
    """Return a literal of several words with ``x`` in place of each value; ``""`` for anything else."""
    match node:
        case ast.Constant(value=str(text)) if " " in text:
            return text
        case ast.JoinedStr(values=values):
            return "".join(each.value if isinstance(each, ast.Constant) else "x" for each in values)
    return ""


def problems_told() -> Iterator[tuple[str, ast.expr]]:
    """Yield each expression that becomes a line of what is wrong with an input, with its place."""
    for where, name, node in calls():
        of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if name in {"problem", "problem_at", "problem_with", "_say", "_refuse"} or of.endswith(("problems", "wrong")):
            yield from ((where, each) for each in node.args)
    for module, tree in modules().items():
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = {each.id for each in targets if isinstance(each, ast.Name)}
            if names & {"problems", "wrong", "problem"} and (value := getattr(node, "value", None)) is not None:
                yield from ((f"{module}:{node.lineno}", each) for each in ast.walk(value) if isinstance(each, ast.expr))


def test_no_problem_of_an_input_is_told_in_a_text_without_a_key() -> None:
    plain = {
        where: said
        for where, node in problems_told()
        if len(re.findall(r"\b[a-z]{2,}\b", said := as_it_reads(node))) > 2 and in_language(said, "zh") == said
    }
    assert plain == {}


#: Names of fields, of WeChat's or of ours, that stand in front of a value as they are.
FIELD_NAMES = {"CSV", "action", "appid", "approvers", "auditid", "domains", "errcode", "host", "hosts", "limit"}
FIELD_NAMES |= {"reserve", "rest", "status"}


def names_of_values(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Dict():
            yield from (str(key.value) for key in node.keys if isinstance(key, ast.Constant))
        case ast.Call() | ast.BinOp() | ast.IfExp():
            for each in ast.iter_child_nodes(node):
                yield from names_of_values(each) if isinstance(each, ast.expr) else ()


def test_the_names_of_an_errors_values_are_told_in_every_language() -> None:
    given = [each.value for _, _, node in calls() for each in node.keywords if each.arg == "values"]
    given += [node for _, name, node in calls() if name == "named_in_full"]
    names = {name for each in given for name in names_of_values(each) if "_" not in name} - FIELD_NAMES
    assert len(names) > 40
    assert names - templates(ENGLISH)["value"].keys() == set()
    error = WxaStateError("x", values={"latest sheet": "none", "shown": Text("used_up"), "limit": 3})
    assert error.lines("zh")[1] == "最新审核单 无, 显示 已用完, limit 3"


def test_a_text_reads_as_english_and_in_its_readers_language() -> None:
    text = Text("sheet_is_not_in_audit", auditid="7")
    assert text == "undocodeaudit not sent: sheet 7 is not the one in audit"
    assert in_language(text, "zh") == "未发送 undocodeaudit：审核单 7 不是正在审核的那一张"  # noqa: RUF001
    assert in_language(text.of("next_step"), "zh").startswith("填写")
    assert text.of("source") == ""


def test_a_text_among_the_values_and_each_of_a_list_is_read_too() -> None:
    text = Text("audit_quota_is_used_up", state=Text("used_up"))
    assert in_language(text, "zh").endswith("已用完")
    todo = Text("owner_has_something_to_do", todo=[Text("no_draft_at_all"), "7"], between="\n  - ")
    assert in_language(todo.of("why"), "zh").split("\n  ") == [f"- {in_language(todo.values['todo'][0], 'zh')}", "- 7"]
    assert in_language(Text("list", each=["a", "b"]), "zh") == "a；b"  # noqa: RUF001


@pytest.mark.parametrize(
    "text", [Text("audit_quota_is_used_up", state=Text("used_up")), Text("list", each=[Text("used_up"), "{x}"])]
)
def test_a_text_outlives_process_and_store(text: Text) -> None:
    stored = from_data(json.loads(json.dumps(to_data({"what": text, "other": [1, text]}))))
    for copy in (pickle.loads(pickle.dumps(text)), deepcopy(text), stored["what"], stored["other"][1]):  # noqa: S301
        assert (type(copy), str(copy), in_language(copy, "zh")) == (Text, str(text), in_language(text, "zh"))
    assert json.loads(json.dumps(text)) == str(text)


def test_a_stored_text_whose_key_has_gone_stays_readable() -> None:
    stored = {"text": "as it was said", "key": "of_an_earlier_version", "part": "what", "values": {"a": 1}}
    assert in_language(from_data(stored), "zh") == "as it was said"


RECOGNISED = [
    ("commit refused: errcode 4711", "commit 被微信拒绝：错误码 4711"),  # noqa: RUF001
    ("commit refused: invalid credential", "commit 被微信拒绝：错误码 40001"),  # noqa: RUF001
    ("the store does not answer", "存储没有应答"),
    ("no such text", "no such text"),
    ("", ""),
]


@pytest.mark.parametrize(("english", "chinese"), RECOGNISED)
def test_a_text_that_was_stored_without_a_key_is_recognised(english: str, chinese: str) -> None:
    assert in_language(english, "zh") == chinese


def rules(schema: object) -> Iterator[str]:
    for name, each in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name == "description" and isinstance(each, str):
            yield each
        elif isinstance(each, dict | list):
            yield from rules(each)


def test_what_a_value_of_the_form_must_be_is_told_in_chinese() -> None:
    musts = {said for field in FIELDS.values() for said in (field.must, *rules(dict(field.schema)))}
    assert len(musts) > 50
    told = {must: in_language(f"ext_json.a = 'x': must be {must}", "zh") for must in musts}
    assert {must: said for must, said in told.items() if "必须是" not in said} == {}
    rest = {must: said.partition("必须是")[2] for must, said in told.items()}
    english = re.compile(r"\b(of|the|or|with|list)\b")
    assert {must: said for must, said in rest.items() if said == must or english.search(said)} == {}


def test_every_text_is_told_within_a_hundred_columns() -> None:
    told = {}
    for key, entry in templates(ENGLISH).items():
        values = dict.fromkeys(names_in(*entry.values()), "wx0123456789abcdef")
        lines = log_text(WxaError(Text(key, **values))).splitlines()
        told[key] = [line for line in lines if width(line) > 100 and "://" not in line]
    assert {key: wide for key, wide in told.items() if wide} == {}


@each_row("errcode", sorted(code for code in errcodes() if code))
def test_an_errcode_is_told_in_both_languages(errcode: int) -> None:
    error = error_for(errcode, endpoint=CATALOGUE["commit"], appid="wx0123456789abcdef", errmsg="x" * 20, rid="1-2-3")
    lines = log_text(error).splitlines()
    assert [line for line in lines if width(line) > 100 and "://" not in line] == []
    told, row = "".join(lines).replace(" ", ""), errcodes()[errcode]
    assert in_language(row.meaning, "zh").replace(" ", "") in told
    assert row.action.replace(" ", "") in told
    chinese = log_text(error, "zh").replace("\n    ", "").replace(" ", "")
    assert row.meaning.replace(" ", "") not in chinese
    assert in_language(row.action, "zh").replace(" ", "") in chinese
    assert pickle.loads(pickle.dumps(error)).lines("zh") == error.lines("zh")  # noqa: S301  (our own bytes)


def test_every_problem_and_the_source_are_told_once() -> None:
    error = WxaSpecError(
        Text("version_is_refused"), ["user_version = 1: is odd", "a = 1: must be a text"], source="https://a/b"
    )
    told = log_text(error)
    assert told.startswith("this version cannot be committed (nothing was sent)\n")
    assert (told.count("user_version = 1"), told.count("a = 1")) == (1, 2)  # the one without a twin, and both twins
    assert told.endswith("\n  https://a/b")
    assert log_text(WxaError("no such text")) == "no such text"  # what has no twin


@pytest.mark.parametrize("reason", list(Refusal))
def test_a_refused_push_says_why_in_every_language(reason: Refusal) -> None:
    error = PushRefusedError(reason)
    assert (str(error).splitlines()[0], str(error).count("\n")) == (f"push refused: {reason}", 3)
    assert all(error.lines(language) != error.lines() for language in OTHERS)


def test_a_third_language_is_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (ROOT / "texts").glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    own = '{"language": {"what": "日本語", "tag": "ja"}, "used_up": "使い切った"}'
    (tmp_path / "ja.json").write_text(own, "utf-8")
    monkeypatch.setattr(texts.resources, "files", lambda _: tmp_path)
    for read in (texts.languages, texts.templates):
        read.cache_clear()
    try:
        assert languages() == ["en", *sorted({*OTHERS, "ja"})]
        error = WxaError(Text("audit_quota_is_used_up", state=Text("used_up")))
        assert in_language(error.what.values["state"], "ja") == "使い切った"
        assert error.lines("ja") == error.lines()  # what it does not have is read in English
        monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "ja")
        assert as_set(Text("used_up")) == "使い切った"
        board = importlib.reload(board_languages)
        japanese = board.chosen("ja", None, "")
        assert (japanese.tag, japanese.text("fleets")) == ("ja", board.LANGUAGES[0].text("fleets"))
    finally:
        monkeypatch.undo()
        for read in (texts.languages, texts.templates):
            read.cache_clear()
        importlib.reload(board_languages)


def width(line: str) -> int:
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in line)

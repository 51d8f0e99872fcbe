import gc
import json
import re
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.located import read_document
from airflow_wxa.fleet.manifest import MAX_PARAM_BYTES, Manifest, packaged_schema, read_manifest
from airflow_wxa.release import FIELDS
from airflow_wxa.texts import in_language

FIRST, SECOND, THIRD = (f"wx000000000000000{number}" for number in "123")
RELEASE = 'release: {template_id: 47, user_version: "1.4.0", webviewdomain: [https://m.example.com]}\n'
GETS = "  template_id: 47\n  domain_action: get\n"
OF_ONE = f"{RELEASE}apps: [{FIRST}]\n"
OF_CSV = f"{RELEASE}apps: {{csv: shops.csv}}"
REGISTER = "on_platform_list_empty: register"


class Files:
    """Sources that hold these files, and three merchants."""

    def __init__(self, **files: str) -> None:
        self.files = files

    def read(self, name: str) -> str:
        if name not in self.files:
            raise WxaSpecError("not read", ["no such file below the manifest folder"])
        return self.files[name]

    def authorised(self) -> list[str]:
        return [FIRST, SECOND, THIRD]

    def released_at(self) -> dict[str, float]:
        return {FIRST: 30.0, THIRD: 20.0}


def read(text: str, fixed: dict[str, Any] | None = None, **files: str) -> Manifest:
    return read_manifest(text, Files(**files), fixed=fixed)


def problems(text: str, fixed: dict[str, Any] | None = None, **files: str) -> list[str]:
    with pytest.raises(WxaSpecError) as refused:
        read(text, fixed, **files)
    return list(refused.value.problems)


def test_the_schema_is_a_schema_and_takes_its_own_example() -> None:
    Draft202012Validator.check_schema(packaged_schema())
    Draft202012Validator(packaged_schema()).validate(packaged_schema()["examples"][0])


def test_yaml_or_json_the_order_stays_and_a_mini_program_can_have_values_of_its_own() -> None:
    manifest = read(f"{RELEASE}apps:\n  - {SECOND}\n  - {{appid: {FIRST}, ext_json: {{ext: {{shop: '7'}}}}}}\n")
    assert [app.appid for app in manifest.apps] == [SECOND, FIRST]
    assert manifest.apps[1].given == {"ext_json": {"ext": {"shop": "7"}}}
    whole = {"release": {"template_id": 47, "user_version": "1", "domain_action": "get"}, "apps": [FIRST]}
    for text in (json.dumps(whole), json.dumps(whole, indent=1)):
        assert read(text).common == {"release": whole["release"]}
        assert read(text).apps[0].appid == FIRST


def test_all_problems_come_at_once_with_file_and_line() -> None:
    text = f"""release:
  template_id: x
  user_version: 3.2
  approval: false
  webviewdoman: []
  webviewdomain: [http://m.example.com]
apps:
  - {FIRST}
  - {FIRST}
  - wx01
  - {{appid: {SECOND}, user_version: "", colour: red}}
waves: {{canary: {{apps: 5, percent: 3}}, early: {{percent: 200}}}}
window: {{from: "10:00", to: "9:00", time_zone: Mars/North}}
pace: {{concurrency: 0}}
audit_quota_reserve: -1
"""
    found = problems("sale.yaml", **{"sale.yaml": text})
    lines = sorted({int(each.split(":")[1]) for each in found})
    assert all(each.startswith("sale.yaml:") for each in found)
    assert lines == [2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15]
    assert any("did you mean webviewdomain?" in each for each in found)
    assert any("write it in quotes" in each for each in found)


def test_what_is_wrong_for_all_is_said_once() -> None:
    too_long = "x" * (FIELDS["user_version"].schema["maxLength"] + 1)
    (found,) = problems(f"release:\n{GETS}  user_version: {too_long}\napps: [{FIRST}, {SECOND}, {THIRD}]")
    assert found.startswith(f"manifest:4: release.user_version = '{too_long}': must be ")


def test_what_belongs_to_a_run_is_refused() -> None:
    of_run = [name for name, field in FIELDS.items() if field.of_run]
    release = "".join(f"  {name}: x\n" for name in ("user_version", *of_run))
    assert problems(f"release:\n{GETS}{release}apps: [{FIRST}]") == [
        f"manifest:{line}: release.{name}: belongs to the run or the whole fleet, not here; take it out"
        for line, name in enumerate(of_run, 5)
    ]
    assert {"approval", "approvers", "wxa_conn_id", "platform_conn_id", "release"} <= set(of_run)


@pytest.mark.parametrize(
    ("text", "shops", "found"),
    [
        ("other.yaml", "", ["no such file below the manifest folder"]),
        (
            OF_CSV,
            f"appid,privacy_api_not_use\n{FIRST},perhaps\n{SECOND},true,x\nwx01,\n",
            ["shops.csv:2: privacy_api_not_use = ", "shops.csv:3: has another number", "shops.csv:4: appid = 'wx01'"],
        ),
        (OF_CSV, f"appid,user_desc,user_desc\n{FIRST},a,b\n", ["shops.csv:1: has more than one column user_desc"]),
        (f"{OF_ONE}platform: {{platform_domains: [a.example.com/x]}}", "", ["manifest:3: platform.platform_domains: "]),
        (
            f"{OF_ONE}platform: {{{REGISTER}, platform_domains: [example.org]}}",
            "",
            ["manifest:1: release.webviewdomain: 'https://m.example.com' is covered by none of"],
        ),
        (
            f"{OF_ONE}platform: {{{REGISTER}}}".replace("webview", "domain_action: delete, webview"),
            "",
            ["manifest:3: platform.on_platform_list_empty = 'register': goes with domain_action add"],
        ),
    ],
)
def test_a_manifest_is_refused_by_file_and_line(text: str, shops: str, found: list[str]) -> None:
    said = problems(text, **{"shops.csv": shops})
    assert [each[: len(begin)] for each, begin in zip(said, found, strict=True)] == found


def test_what_the_dag_has_decided_is_asked_for_all_may_stand_there_as_it_is_and_is_refused_otherwise() -> None:
    text = f"{RELEASE}apps:\n  - {{appid: {FIRST}, template_id: 47}}\n"
    asked = read(text, fixed={"template_id": 47, "on_individual": "stop"})
    assert (asked.common["release"]["on_individual"], asked.apps[0].given) == ("stop", {})
    assert problems(text, fixed={"template_id": 49}) == [
        "manifest:1: release.template_id: the DAG has decided it, take it out",
        "manifest:3: template_id: the DAG has decided it, take it out",
    ]
    text = f"release: {{user_version: a, domain_action: get}}\napps: [{FIRST}]"
    assert read(text, fixed={"template_id": 49}).common["release"]["template_id"] == 49


def test_a_csv_gives_each_its_own() -> None:
    first = f'{FIRST},https://a.example.com https://b.example.com,"{{""ext"":{{}}}}"'
    manifest = read(OF_CSV, **{"shops.csv": f"appid,webviewdomain,ext_json\n{first}\n{SECOND},,\n"})
    assert [app.given for app in manifest.apps] == [
        {"webviewdomain": ["https://a.example.com", "https://b.example.com"], "ext_json": {"ext": {}}},
        {},
    ]


@pytest.mark.parametrize(
    ("apps", "order", "found"),
    [
        (f"[{FIRST}, {SECOND}, {THIRD}]", "", [FIRST, SECOND, THIRD]),
        (f"[{FIRST}, {SECOND}, {THIRD}]", "order: oldest_first", [SECOND, THIRD, FIRST]),
        (f"[{FIRST}, wx00000000000000aa]", "order: oldest_first", ["wx00000000000000aa", FIRST]),
        ("{authorised: true}", "", [SECOND, THIRD, FIRST]),
        ("{authorised: true}", "order: manifest", [FIRST, SECOND, THIRD]),
        (f"{{authorised: true, exclude: [{SECOND}]}}", "", [THIRD, FIRST]),
    ],
)
def test_those_that_were_released_longest_ago_come_first(apps: str, order: str, found: list[str]) -> None:
    assert [app.appid for app in read(f"{RELEASE}apps: {apps}\n{order}").apps] == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("release: foo", "release = 'foo': must be a mapping of the values that all Mini Programs share"),
        ("platform: {on_platform_list_empty: x}", "platform.on_platform_list_empty = 'x': must be one of stop, regis"),
        ("release: {user: 1}", "release.'user': is no field of a manifest here; did you mean"),
        ("waves: {rest: 3}", "waves.rest = 3: must be an object"),
        ("platform: {platform_domains: [3]}", "platform.platform_domains.0 = 3: must be a text"),
        ("window: {days: [1]}", "window.days.0 = 1: must be one of mon, tue"),
        ("window: {dates: [{from: 2027-02-05}]}", "must be {from, to, reason}, {holidays: CN} or {csv: FILE}"),
        ("apps: {csv: 3}", "apps = {'csv': 3}: must be a list of Mini Programs, {csv: FILE}"),
    ],
)
def test_a_value_in_the_wrong_shape_is_told_its_rule_in_the_readers_language(text: str, problem: str) -> None:
    (told,) = [each for each in problems(text) if problem in each]
    assert not re.search(r"\b(must|missing|one of|mapping|the|did|field)\b", in_language(told, "zh"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "'a': stands twice, first in line 2; keep one"),
        ("a: &x [1]\nb: *x", "an alias"),
        ("a: !!binary aaaa", "has the tag"),
        ("a: [1", "is no YAML"),
        ("a: 1\n---\nb: 1", "is no YAML"),
        ("a: \x07", "is no YAML"),
        ("", "must be a mapping"),
        ("[" * 2000, "is no YAML"),
    ],
)
def test_yaml_that_cannot_be_taken_is_refused_in_a_sentence(text: str, problem: str) -> None:
    assert any(problem in each for each in problems(f"\n{text}"))


def test_plain_values_mean_what_json_means() -> None:
    release = "template_id: 047, user_version: 1.4.0, user_desc: no, domain_action: get"
    asked = read(f"release: {{{release}}}\napps: [{FIRST}]").common["release"]
    assert asked == {"template_id": "047", "user_version": "1.4.0", "user_desc": "no", "domain_action": "get"}


def test_an_error_shows_no_more_than_the_line_that_is_wrong() -> None:
    found = problems(f"secret: of another file\n{RELEASE}apps: [{FIRST}]")
    assert "another file" not in "".join(found)


def test_the_digest_tells_manifests_apart() -> None:
    one, other = (read(f"{RELEASE}apps: [{apps}]") for apps in (f"{FIRST}, {SECOND}", f"{SECOND}, {FIRST}"))
    assert one.digest == read(f"{RELEASE}apps: [{FIRST}, {SECOND}]").digest != other.digest


def test_a_param_holds_at_most_a_mebibyte_and_a_file_more() -> None:
    text = f"{RELEASE}apps: [{FIRST}]\n# {'领' * (MAX_PARAM_BYTES // 3)}\n"
    (problem,) = problems(text)
    assert problem.startswith("manifest: is longer than 1 MiB: put it into a file below [wxa] manifest_folder")
    assert [app.appid for app in read("sale.yaml", **{"sale.yaml": text}).apps] == [FIRST]


def test_many_entries_are_read_at_the_pace_of_few_and_the_collector_rests_meanwhile() -> None:
    collected: list[str] = []

    def seconds_for_each(entries: int) -> float:
        lines = [f"  - {{appid: wx{number:016x}, ext_json: {{ext: {{shop: 'a'}}}}}}" for number in range(entries)]
        text = "\n".join(["apps:", *lines])
        gc.callbacks.append(lambda phase, _: collected.append(phase))
        begin = time.process_time()
        read_document(text, "sale.yaml")
        ended = time.process_time()
        gc.callbacks.pop()
        return (ended - begin) / entries

    seconds_for_each(100)
    few = min(seconds_for_each(2_000) for _ in range(3))
    assert seconds_for_each(20_000) < 2.5 * few
    assert collected.count("start") < 50  # a few when it goes on, each time; 1,480 where it does not rest
    assert gc.isenabled()

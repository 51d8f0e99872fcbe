"""A version and its fingerprint, the calls about code, and what is read back."""

from typing import Any

import pytest

from airflow_wxa.api import code
from airflow_wxa.api.audit import AuditSheet, AuditStatus
from airflow_wxa.api.call import Reply, body_schema
from airflow_wxa.api.code import CodeVersion, OnlineVersion, TrialVersion, read_version_info
from airflow_wxa.errors import WxaSpecError
from tests.tables import each_row

APPID, OTHER = "wx0000000000000001", "wx0000000000000002"
LONGEST_VERSION = body_schema("commit")["properties"]["user_version"]["maxLength"]
PARTS: dict[str, Any] = {
    "appid": APPID, "template_id": 47, "user_version": "1.4.0", "ext_json": {"ext": {"shop": "8016"}},
}  # fmt: skip
VERSION = CodeVersion.of(**PARTS)


def test_the_fingerprint_stays_the_same_for_ever_at_the_end_of_the_description() -> None:
    # WeChat keeps descriptions for months: another way of counting would disown every version in flight.
    assert VERSION.fingerprint == "c174e578"
    assert VERSION.described("release 1.4.0") == "release 1.4.0 [wxa:c174e578]"
    assert VERSION.described("") == VERSION.mark
    # However the version is written.
    same = CodeVersion.of(APPID, "047", "1.4.0", {"ext": {"shop": "8016"}, "extAppid": APPID})
    assert same.fingerprint == VERSION.fingerprint
    one, two = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert CodeVersion.of(APPID, 47, "1", one).fingerprint == CodeVersion.of(APPID, 47, "1", two).fingerprint


CHANGED = {"appid": OTHER, "template_id": 48, "user_version": "1.4.1", "ext_json": {"ext": {"shop": "8017"}}}


@each_row("name, value", [*CHANGED.items(), ("ext_json", None)])
def test_another_appid_template_version_or_ext_json_is_another_fingerprint(name: str, value: Any) -> None:
    other = CodeVersion.of(**PARTS | {name: value})
    assert other.fingerprint != VERSION.fingerprint
    assert not VERSION.is_ours("", other.described("release"))


#: What stands at the end of a description of ours, and what does not.
OURS = ["release {0}", "{0} and more", "[wxa:00000000] pasted {0}", "{0} pasted [wxa:0000]"]
OTHERS = ["{0} pasted [wxa:00000000]", "release", "release [wxa:00000000]", "release [wxa:", VERSION.mark.upper()]
#: What WeChat shows as user_version and user_desc, and whether that is ours.
SHOWN = [
    *(("1.4.0", each.format(VERSION.mark), each in OURS) for each in (*OURS, *OTHERS, VERSION.fingerprint)),
    *((version, VERSION.described("release"), version == "") for version in ("", "1.4")),
]


@each_row("user_version, description, ours", SHOWN)
def test_a_description_tells_whose_version_it_is(user_version: str, description: str, ours: bool) -> None:
    assert VERSION.is_ours(user_version, description) is ours
    assert VERSION.is_trial(TrialVersion(user_version, description)) is ours
    for noted in ("", "7"):
        assert VERSION.is_sheet(AuditSheet("7", AuditStatus.APPROVED, user_version, description), noted) is ours
    assert VERSION.is_online(OnlineVersion(user_version, description, 9), since=1) is ours


def test_nothing_is_ours_where_nothing_is() -> None:
    assert (VERSION.is_trial(None), VERSION.is_sheet(None, "7"), VERSION.is_online(None, since=1)) == (False,) * 3
    assert not VERSION.is_ours("1.4.0", "")
    assert not VERSION.is_trial(TrialVersion("1.4.0", ""))
    assert VERSION.is_online(OnlineVersion("1.4.0", "", 1))


@each_row("said, ours", [("1.4", True), ("1.40 ", True), ("01.4", True), ("1.5", False), ("1.4.0", False)])
def test_a_version_that_came_back_as_a_number_is_ours_by_its_mark_only(said: str, ours: bool) -> None:
    version = CodeVersion.of(APPID, 47, "1.40")
    assert version.is_ours(said, version.described("release")) is ours
    assert version.is_ours(said, "", noted=True) is (said.strip() == "1.40")


@each_row("length, cut", [(4, False), (9, False), (10, True), (21, True)])
def test_a_description_that_ends_within_our_mark_is_cut_off(length: int, cut: bool) -> None:
    sent = VERSION.described("release")
    assert VERSION.is_cut_off("1.4.0", sent[:length]) is cut
    assert VERSION.is_cut_off("1.4.0", sent[:length] + "…") is cut
    assert VERSION.is_cut_off("1.4.0", sent[:length], sent)
    assert not VERSION.is_cut_off("9.9.9", sent[:length], sent)


@each_row("user_desc", [VERSION.mark, "spring sale [wxa:00000000] again", "[wxa:", "half \ud800", 7])
def test_a_description_of_ones_own_is_any_text_without_a_mark(user_desc: Any) -> None:
    (problem,) = code.user_desc_problems(user_desc)
    assert problem.startswith("user_desc = ")
    assert [
        fine for fine in ("", "release", "[wxa", "WXA: [1]", "发布 \U0001f600") if code.user_desc_problems(fine)
    ] == []


#: A sheet without description, the noted number, and whether the sheet is ours.
NOTED = [
    ("7", "1.4.0", "7", True),
    ("7", "1.4.0", "8", False),
    ("7", "1.4.0", "", False),
    ("7", "9.9.9", "7", False),
    ("", "1.4.0", "", False),
]


@each_row("auditid, user_version, noted, ours", NOTED)
def test_a_sheet_without_description_is_ours_if_noted(auditid: str, user_version: str, noted: str, ours: bool) -> None:
    assert VERSION.is_sheet(AuditSheet(auditid, AuditStatus.AUDITING, user_version), noted) is ours


def test_ext_json_travels_as_canonical_text_with_the_appid_in_it_and_unknown_keys_pass() -> None:
    assert code.version_problems(APPID, 47, "1", {"newInTheseDays": {"a": [1, None, True]}}) == []
    version = CodeVersion.of(APPID, 47, "1", {"window": {"navigationBarTitleText": "店"}, "ext": {}})
    sent = '{"ext":{},"extAppid":"wx0000000000000001","window":{"navigationBarTitleText":"店"}}'
    assert version.sent_ext_json == sent


HOLDS_ITSELF: dict[str, Any] = {}
HOLDS_ITSELF["ext"] = HOLDS_ITSELF
#: Field → values that cannot be right, and what is said of each.
WRONG: dict[str, list[tuple[Any, str]]] = {
    "template_id": [
        *[(value, f"template_id = {value!r}") for value in ("47a", "", -1, 4.7, True, None, "٤٧", "47\n", 10**18)],
    ],
    "user_version": [
        ("", "user_version = ''"),
        ("v" * (LONGEST_VERSION + 1), "user_version = 'vvv"),
        (1.4, "user_version = 1.4"),
        (None, "user_version = None"),
        ("1\ud800", "user_version = '1\\ud800'"),
    ],
    "ext_json": [
        *[(value, f"ext_json = {value!r}: must be an object") for value in ("{}", None, [])],
        ({"extAppid": OTHER}, f"ext_json.extAppid = '{OTHER}': another Mini Program"),
        ({"ext": float("nan")}, "is no JSON (Out of range float values"),
        ({"ext": {1, 2}}, "is no JSON (Object of type set"),
        ({"ext": "\udfff"}, "is no JSON ("),
        ({"ext": {1: "a", "b": 2}}, "is no JSON ("),
        (HOLDS_ITSELF, "is no JSON (Circular"),
    ],
}


@each_row("field, value, said", [(field, *row) for field, rows in WRONG.items() for row in rows])
def test_a_part_that_cannot_be_right_is_named(field: str, value: Any, said: str) -> None:
    (problem,) = code.version_problems(**PARTS | {field: value})
    assert said in problem


def test_all_parts_are_reported_together() -> None:
    with pytest.raises(WxaSpecError) as raised:
        CodeVersion.of(APPID, "x", "", {"extAppid": OTHER})
    named = [problem.partition(" ")[0] for problem in raised.value.problems]
    assert named == ["template_id", "user_version", "ext_json.extAppid"]
    assert raised.value.appid == APPID


EXP = {"exp_time": 1, "exp_version": "1.4.0", "exp_desc": "trial"}
ONLINE = {"release_time": 2, "release_version": "1.3.0", "release_desc": "online"}
LONG_AGO = 1_764_136_920


#: Answer of getversioninfo, and the versions on trial and online.
SLOTS = [
    ({"exp_info": EXP, "release_info": ONLINE}, ("1.4.0", "trial", 1), ("1.3.0", "online", 2)),
    ({"errcode": 0}, None, None),
    ({"exp_info": {"exp_time": 1}, "release_info": {"release_desc": "d"}}, ("", "", 1), ("", "d", 0)),
    *[
        ({"release_info": ONLINE | {"release_time": told}}, None, ("1.3.0", "online", read))
        for told, read in [(LONG_AGO, LONG_AGO), (LONG_AGO * 1000, 0), (-1, 0), (0, 0)]  # no epoch second
    ],
]


@each_row("answer, trial, online", SLOTS)
def test_both_slots_are_read_and_what_wechat_leaves_out_is_empty(answer: Any, trial: Any, online: Any) -> None:
    info = read_version_info(Reply(answer))
    assert info.trial == (TrialVersion(*trial) if trial else None)
    assert info.online == (OnlineVersion(*online) if online else None)

"""A version and its fingerprint, the calls about code, and what is read back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_wxa.api.audit import AuditSheet, AuditStatus
from airflow_wxa.api.call import Reply, body_schema
from airflow_wxa.api.code import (
    CodeVersion,
    OnlineVersion,
    TrialVersion,
    commit,
    get_code_privacy_info,
    get_page,
    get_qrcode,
    getversioninfo,
    is_text,
    read_version_info,
    release,
    user_desc_problems,
    version_problems,
)
from airflow_wxa.errors import WxaSpecError

APPID, OTHER = "wx0000000000000001", "wx0000000000000002"
LONGEST_VERSION = body_schema("commit")["properties"]["user_version"]["maxLength"]
VERSION = CodeVersion.of(APPID, 47, "1.4.0", {"ext": {"shop": "8016"}})


def test_the_fingerprint_is_eight_hex_digits_at_the_end_of_the_description() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", VERSION.fingerprint)
    assert VERSION.described("release 1.4.0") == f"release 1.4.0 [wxa:{VERSION.fingerprint}]"
    assert VERSION.described("") == VERSION.mark


def test_the_fingerprint_stays_the_same_for_ever() -> None:
    # WeChat keeps descriptions for months: another way of counting would disown every version in flight.
    assert VERSION.fingerprint == "c174e578"


def test_the_fingerprint_counts_the_same_however_the_version_is_written() -> None:
    same = CodeVersion.of(APPID, "047", "1.4.0", {"ext": {"shop": "8016"}, "extAppid": APPID})
    assert same.fingerprint == VERSION.fingerprint
    one, two = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert CodeVersion.of(APPID, 47, "1", one).fingerprint == CodeVersion.of(APPID, 47, "1", two).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        CodeVersion.of(OTHER, 47, "1.4.0", {"ext": {"shop": "8016"}}),
        CodeVersion.of(APPID, 48, "1.4.0", {"ext": {"shop": "8016"}}),
        CodeVersion.of(APPID, 47, "1.4.1", {"ext": {"shop": "8016"}}),
        CodeVersion.of(APPID, 47, "1.4.0", {"ext": {"shop": "8017"}}),
        CodeVersion.of(APPID, 47, "1.4.0"),
    ],
)
def test_another_appid_template_version_or_ext_json_is_another_fingerprint(other: CodeVersion) -> None:
    assert other.fingerprint != VERSION.fingerprint
    assert not VERSION.is_ours("", other.described("release"))


@pytest.mark.parametrize(
    ("description", "ours"),
    [
        (f"release {VERSION.mark}", True),
        (f"{VERSION.mark} and more", True),
        (f"[wxa:00000000] pasted {VERSION.mark}", True),
        (f"{VERSION.mark} pasted [wxa:00000000]", False),
        (f"{VERSION.mark} pasted [wxa:0000]", True),
        (VERSION.mark.upper(), False),
        ("release", False),
        ("", False),
        ("release [wxa:00000000]", False),
        (VERSION.fingerprint, False),
    ],
)
def test_a_description_tells_whose_version_it_is(description: str, ours: bool) -> None:
    assert VERSION.is_ours("1.4.0", description) is ours
    assert VERSION.is_trial(TrialVersion("1.4.0", description)) is ours
    assert VERSION.is_sheet(AuditSheet("7", AuditStatus.APPROVED, "1.4.0", description)) is ours
    assert VERSION.is_online(OnlineVersion("1.4.0", description, 1)) is (ours or description == "")


@pytest.mark.parametrize(("user_version", "ours"), [("1.4.0", True), ("", True), ("1.4", False), ("9.9.9", False)])
def test_our_mark_with_another_version_is_not_ours(user_version: str, ours: bool) -> None:
    description = VERSION.described("release")
    assert VERSION.is_ours(user_version, description) is ours
    assert VERSION.is_trial(TrialVersion(user_version, description)) is ours
    assert VERSION.is_sheet(AuditSheet("7", AuditStatus.APPROVED, user_version, description), "7") is ours
    assert VERSION.is_online(OnlineVersion(user_version, description, 9), since=1) is ours


@pytest.mark.parametrize(
    ("said", "ours"), [("1.4", True), ("1.40 ", True), ("01.4", True), ("1.5", False), ("1.4.0", False)]
)
def test_a_version_that_came_back_as_a_number_is_ours_by_its_mark_only(said: str, ours: bool) -> None:
    version = CodeVersion.of(APPID, 47, "1.40")
    assert version.is_ours(said, version.described("release")) is ours
    assert version.is_ours(said, "", noted=True) is (said.strip() == "1.40")


@pytest.mark.parametrize("description", ["by hand", "release [wxa:00000000]", "release [wxa:"])
def test_our_version_number_with_other_content_is_not_ours(description: str) -> None:
    assert not VERSION.is_trial(TrialVersion("1.4.0", description))
    assert not VERSION.is_sheet(AuditSheet("7", AuditStatus.APPROVED, "1.4.0", description), "7")
    assert not VERSION.is_online(OnlineVersion("1.4.0", description, 9), since=1)


def test_nothing_is_ours_where_nothing_is() -> None:
    assert (VERSION.is_trial(None), VERSION.is_sheet(None, "7"), VERSION.is_online(None, since=1)) == (False,) * 3


@pytest.mark.parametrize(("length", "cut"), [(4, False), (9, False), (10, True), (21, True)])
def test_a_description_that_ends_within_our_mark_is_cut_off(length: int, cut: bool) -> None:
    sent = VERSION.described("release")
    assert VERSION.is_cut_off("1.4.0", sent[:length]) is cut
    assert VERSION.is_cut_off("1.4.0", sent[:length] + "…") is cut
    assert VERSION.is_cut_off("1.4.0", sent[:length], sent)
    assert not VERSION.is_cut_off("9.9.9", sent[:length], sent)


@pytest.mark.parametrize("user_desc", ["", "release", "[wxa", "WXA: [1]", "发布 \U0001f600"])
def test_a_description_of_ones_own_is_any_text(user_desc: str) -> None:
    assert user_desc_problems(user_desc) == []


@pytest.mark.parametrize("user_desc", [VERSION.mark, "spring sale [wxa:00000000] again", "[wxa:", "half \ud800", 7])
def test_a_description_that_holds_a_mark_is_refused(user_desc: Any) -> None:
    (problem,) = user_desc_problems(user_desc)
    assert problem.startswith("user_desc = ")


@pytest.mark.parametrize(
    ("sheet", "noted", "ours"),
    [
        ({"user_desc": f"release {VERSION.mark}", "user_version": "1.4.0"}, "", True),
        ({"user_desc": "release [wxa:00000000]", "user_version": "1.4.0"}, "7", False),
        ({"user_desc": "", "user_version": "1.4.0"}, "7", True),
        ({"user_desc": "", "user_version": "1.4.0"}, "8", False),
        ({"user_desc": "", "user_version": "1.4.0"}, "", False),
        ({"user_desc": "", "user_version": "9.9.9"}, "7", False),
    ],
)
def test_a_sheet_without_description_is_ours_only_by_its_noted_number_and_our_user_version(
    sheet: dict[str, str], noted: str, ours: bool
) -> None:
    assert VERSION.is_sheet(AuditSheet("7", AuditStatus.AUDITING, **sheet), noted) is ours


def test_a_sheet_without_any_number_is_not_ours_for_want_of_a_noted_one() -> None:
    assert not VERSION.is_sheet(AuditSheet("", AuditStatus.AUDITING, user_version="1.4.0"), "")


def test_ext_json_travels_as_canonical_text_with_the_appid_in_it() -> None:
    version = CodeVersion.of(APPID, 47, "1", {"window": {"navigationBarTitleText": "店"}, "ext": {}})
    assert version.sent_ext_json == (
        '{"ext":{},"extAppid":"wx0000000000000001","window":{"navigationBarTitleText":"店"}}'
    )


def test_commit_sends_template_id_as_a_number_and_the_marked_description() -> None:
    call = commit(VERSION, "release 1.4.0")
    assert (call.endpoint.name, call.appid) == ("commit", APPID)
    assert json.loads(call.content() or b"") == {
        "template_id": 47,
        "ext_json": VERSION.sent_ext_json,
        "user_version": "1.4.0",
        "user_desc": f"release 1.4.0 {VERSION.mark}",
    }


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"template_id": "47a"}, "template_id = '47a'"),
        ({"template_id": ""}, "template_id = ''"),
        ({"template_id": -1}, "template_id = -1"),
        ({"template_id": 4.7}, "template_id = 4.7"),
        ({"template_id": True}, "template_id = True"),
        ({"template_id": None}, "template_id = None"),
        ({"template_id": "٤٧"}, "template_id = '٤٧'"),
        ({"template_id": "47\n"}, "template_id = '47\\n'"),
        ({"template_id": 10**18}, "template_id = 1000000000000000000"),
        ({"user_version": ""}, "user_version = ''"),
        ({"user_version": "v" * (LONGEST_VERSION + 1)}, "user_version = 'vvv"),
        ({"user_version": 1.4}, "user_version = 1.4"),
        ({"user_version": None}, "user_version = None"),
        ({"user_version": "1\ud800"}, "user_version = '1\\ud800'"),
        ({"ext_json": "{}"}, "ext_json = '{}': must be an object"),
        ({"ext_json": None}, "ext_json = None: must be an object"),
        ({"ext_json": []}, "ext_json = []: must be an object"),
        ({"ext_json": {"extAppid": OTHER}}, f"ext_json.extAppid = '{OTHER}': another Mini Program"),
        ({"ext_json": {"ext": float("nan")}}, "is no JSON (Out of range float values"),
        ({"ext_json": {"ext": {1, 2}}}, "is no JSON (Object of type set"),
        ({"ext_json": {"ext": "\udfff"}}, "is no JSON ("),
        ({"ext_json": {"ext": {1: "a", "b": 2}}}, "is no JSON ("),
    ],
)
def test_a_part_that_cannot_be_right_is_named(parts: dict[str, Any], said: str) -> None:
    every = {"appid": APPID, "template_id": 47, "user_version": "1.4.0", "ext_json": {}} | parts
    (problem,) = version_problems(**every)
    assert said in problem


def test_ext_json_that_holds_itself_is_refused() -> None:
    ext: dict[str, Any] = {}
    ext["ext"] = ext
    with pytest.raises(WxaSpecError, match="Circular"):
        CodeVersion.of(APPID, 47, "1", ext)


def test_all_parts_are_reported_together() -> None:
    with pytest.raises(WxaSpecError) as raised:
        CodeVersion.of(APPID, "x", "", {"extAppid": OTHER})
    assert [problem.partition(" ")[0] for problem in raised.value.problems] == [
        "template_id",
        "user_version",
        "ext_json.extAppid",
    ]
    assert raised.value.appid == APPID


def test_unknown_keys_of_ext_json_pass() -> None:
    assert version_problems(APPID, 47, "1", {"newInTheseDays": {"a": [1, None, True]}}) == []


@pytest.mark.parametrize(
    ("value", "said"), [("text", True), ("", True), ("店", True), ("\ud800", False), (b"", False), (None, False)]
)
def test_a_text_is_what_utf_8_can_say(value: Any, said: bool) -> None:
    assert is_text(value) is said


def test_both_slots_are_read() -> None:
    answer = {
        "exp_info": {"exp_time": 1, "exp_version": "1.4.0", "exp_desc": "trial"},
        "release_info": {"release_time": 2, "release_version": "1.3.0", "release_desc": "online"},
    }
    info = read_version_info(Reply(answer))
    assert info.trial == TrialVersion("1.4.0", "trial", 1)
    assert info.online == OnlineVersion("1.3.0", "online", 2)


def test_a_fresh_account_has_neither_slot() -> None:
    info = read_version_info(Reply({"errcode": 0}))
    assert (info.trial, info.online) == (None, None)


def test_fields_that_wechat_leaves_out_are_empty_not_missing() -> None:
    info = read_version_info(Reply({"exp_info": {"exp_time": 1}, "release_info": {"release_desc": "d"}}))
    assert info.trial == TrialVersion("", "", 1)
    assert info.online == OnlineVersion("", "d", 0)


@pytest.mark.parametrize(
    ("call", "name", "content"),
    [
        (getversioninfo(APPID), "getversioninfo", b"{}"),
        (release(APPID), "release", b"{}"),
        (get_page(APPID), "get_page", None),
        (get_qrcode(APPID), "get_qrcode", None),
        (get_code_privacy_info(APPID), "get_code_privacy_info", None),
    ],
)
def test_a_call_without_fields_sends_an_empty_object_or_is_a_get(call: Any, name: str, content: bytes | None) -> None:
    assert (call.endpoint.name, call.appid, call.content()) == (name, APPID, content)


@pytest.mark.parametrize(("told", "read"), [(1_764_136_920, 1_764_136_920), (1_764_136_920_000, 0), (-1, 0), (0, 0)])
def test_a_time_that_is_no_epoch_second_was_not_told(told: int, read: int) -> None:
    answer = {"errcode": 0, "release_info": {"release_version": "1.4.0", "release_time": told}}
    info = read_version_info(Reply(answer))
    assert info.online is not None
    assert info.online.time == read

"""The emulated WeChat, strict and loose, held against what the package assumes of the real one."""

import json

import pytest

from airflow_wxa.cli.conformance import ASSUMPTIONS
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.testing import APPID
from tests.cli.healthy import Command, Ended, SetUp

WRITE = ("--write", "--template-id", "47", "--user-version", "1.4.0", "--ext-json", '{"ext": {"shop": "7"}}')


def verdicts(ended: Ended) -> dict[str, str]:
    return {row["assumption"]: row["verdict"] for row in json.loads(ended.out)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_wxa.cli.conformance._POLL_SECONDS", 0)


def test_reads_alone_refute_nothing_and_write_nothing(set_up: SetUp, command: Command) -> None:
    ended = command("conformance", "--appid", APPID, "--json")
    assert ended.code == 0, [row for row in json.loads(ended.out) if row["verdict"] == "refuted"]
    told = verdicts(ended)
    assert list(told) == list(ASSUMPTIONS)
    assert {"get_lists", "four_lists", "no_sheet", "queryquota", "template_id"} <= {
        key for key, verdict in told.items() if verdict == "held"
    }
    assert told["exp_desc"] == told["85052"] == "not seen"
    assert not [each for each in set_up.running.journal if each.path in {"/wxa/commit", "/wxa/release"}]


def test_a_release_shows_what_reads_alone_cannot(set_up: SetUp, command: Command) -> None:
    ended = command("conformance", "--appid", APPID, "--json", *WRITE)
    assert ended.code == 0, [row for row in json.loads(ended.out) if row["verdict"] == "refuted"]
    told = verdicts(ended)
    shown_by_writing = {"exp_desc", "sheet_desc", "status", "auditid", "release_version", "85052"}
    assert {told[key] for key in shown_by_writing} == {"held"}
    assert set_up.world.mini_programs[0].release_info["release_version"] == "1.4.0"


def test_what_another_wechat_does_otherwise_is_refuted(set_up: SetUp, command: Command) -> None:
    set_up.world.leaves_out = {"exp_desc"}
    set_up.world.loose = Looseness(answers={"text_numbers", "text_errcode"}, lag={"trial_version": 1})
    ended = command("conformance", "--appid", APPID, "--json", *WRITE)
    told = verdicts(ended)
    assert ended.code == 1
    ended.says("not the one that this release commits")
    assert {key for key, verdict in told.items() if verdict == "refuted"} == {"exp_desc", "template_id"}


def test_a_read_without_a_usable_answer_is_said_and_not_judged(set_up: SetUp, command: Command) -> None:
    set_up.running.add_fault(Fault(path="/wxa/queryquota", kind="html_502", times=None))
    ended = command("conformance", "--appid", APPID, "--json")
    assert "queryquota" in ended.err
    assert verdicts(ended)["queryquota"] == "not seen"


def test_a_release_without_a_version_is_refused_before_anything_is_sent(set_up: SetUp, command: Command) -> None:
    for words in (["--write"], ["--write", "--template-id", "47"]):
        command("conformance", "--appid", APPID, *words).refuses("--user-version")
    assert list(set_up.running.journal) == []

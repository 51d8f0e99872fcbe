"""The emulated WeChat, strict and loose, held against what the package assumes of the real one."""

import json

import pytest

from airflow_wxa.cli.conformance import ASSUMPTIONS
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.testing import APPID
from tests.cli.healthy import Command, Ended, SetUp

WRITE = ("--write", "--template-id", "47", "--user-version", "1.4.0", "--ext-json", '{"ext": {"shop": "7"}}')


def judged(ended: Ended, verdict: str) -> set[str]:
    """Return the assumptions that were given this verdict."""
    return {row["assumption"] for row in json.loads(ended.out) if row["verdict"] == verdict}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_wxa.cli.conformance._POLL_SECONDS", 0)


def test_reads_alone_refute_and_write_nothing_and_a_release_shows_what_they_cannot(
    set_up: SetUp, command: Command
) -> None:
    ended = command("conformance", "--appid", APPID, "--json")
    assert (ended.code, judged(ended, "refuted")) == (0, set())
    assert [row["assumption"] for row in json.loads(ended.out)] == list(ASSUMPTIONS)
    assert {"get_lists", "four_lists", "no_sheet", "queryquota", "template_id"} <= judged(ended, "held")
    assert {"exp_desc", "85052"} <= judged(ended, "not seen")
    assert not [each for each in set_up.running.journal if each.path in {"/wxa/commit", "/wxa/release"}]
    ended = command("conformance", "--appid", APPID, "--json", *WRITE)
    assert (ended.code, judged(ended, "refuted")) == (0, set())
    assert {"exp_desc", "sheet_desc", "status", "auditid", "release_version", "85052"} <= judged(ended, "held")
    assert set_up.world.mini_programs[0].release_info["release_version"] == "1.4.0"


def test_what_another_wechat_does_otherwise_is_refuted(set_up: SetUp, command: Command) -> None:
    set_up.world.leaves_out = {"exp_desc"}
    set_up.world.loose = Looseness(answers={"text_numbers", "text_errcode"}, lag={"trial_version": 1})
    ended = command("conformance", "--appid", APPID, "--json", *WRITE)
    ended.says("not the one that this release commits", code=1)
    assert judged(ended, "refuted") == {"exp_desc", "template_id"}


def test_a_read_without_a_usable_answer_is_said_and_not_judged(set_up: SetUp, command: Command) -> None:
    set_up.running.add_fault(Fault(path="/wxa/queryquota", kind="html_502", times=None))
    ended = command("conformance", "--appid", APPID, "--json")
    assert "queryquota" in ended.err
    assert "queryquota" in judged(ended, "not seen")


def test_a_release_without_a_version_is_refused_before_anything_is_sent(set_up: SetUp, command: Command) -> None:
    for words in (["--write"], ["--write", "--template-id", "47"]):
        command("conformance", "--appid", APPID, *words).refuses("--user-version")
    assert list(set_up.running.journal) == []

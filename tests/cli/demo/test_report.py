import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.releases import CONNECTIONS, RELEASES
from airflow_wxa.cli.demo.report import Report, Row, show
from airflow_wxa.sandbox import Entry
from airflow_wxa.store import Entry as LedgerRow
from airflow_wxa.texts.setting import speaking
from tests.cli.demo.conftest import walked
from tests.english import english_in

URL = "https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getauditstatus"
REASON = "the pages do not match the chosen category"
PLAIN, UNREGISTERED, REJECTED = RELEASES[0], RELEASES[4], RELEASES[5]
PLATFORM, SECOND_PLATFORM = CONNECTIONS.values()


def shown(report: Report, width: int = 120) -> str:
    sink = StringIO()
    show(report, Console(file=sink, width=width))
    return sink.getvalue()


def unbroken(text: str) -> str:
    """Return a text without the line ends that the width of a terminal has made."""
    return " ".join(text.split())


def other(report: Report, place: int = -1, error: str = "", **seen: Any) -> Report:
    """The same, but a row, the last one by default, ended otherwise."""
    rows = list(report.rows)
    rows[place] = replace(rows[place], seen=rows[place].seen | seen, error=error)
    return replace(report, rows=rows)


def call(report: Report, name: str, appid: str) -> Entry:
    """Return the first call of a name for a Mini Program, or for a platform."""
    asked = ((each, (each.body or {}).get("authorizer_appid", each.appid)) for each in report.journal)
    return next(each for each, whose in asked if each.path.endswith(f"/{name}") and whose == appid)


def without(report: Report, name: str, appid: str) -> Report:
    gone = call(report, name, appid)
    return replace(report, journal=[each for each in report.journal if each is not gone])


def more(report: Report, *calls: Entry) -> Report:
    return replace(report, journal=[*report.journal, *calls])


def noted(report: Report, name: str, **changes: Any) -> LedgerRow:
    """Return the ledger's row of a call for the plain release, with changes."""
    row = next(each for each in report.ledger if (each.appid, each.endpoint) == (PLAIN.appid, name))
    return replace(row, **changes)


def test_the_six_releases_end_as_the_demo_expects(report: Report) -> None:
    assert {row.release.word: row.differences for row in report.rows} == {each.word: [] for each in RELEASES}
    assert (report.problems, report.exit_code) == ({"tickets": [], "order": [], "ledger": []}, 0)
    assert [list(row.seen["task_states"]) for row in report.rows] == [list(PLAIN.must_be["task_states"])] * 6
    told = unbroken(shown(report))
    assert REASON in told
    assert "✓ 6 of 6 ended as expected, in 49 s." in told
    assert "for each platform one api_component_token (2), for each Mini Program one api_authorizer_token (6)." in told
    assert "✓ The provider's ledger: one accepted submit_audit and one accepted release for each released" in told


def test_they_end_and_are_told_in_chinese_as_well(tmp_path: Path, report: Report) -> None:
    chinese = walked(tmp_path, "zh")
    slow = other(other(chinese, run_state="success", road=[]), 0, run_state="running")
    with speaking("zh"):
        assert (chinese.exit_code, [row.differences for row in chinese.rows]) == (0, [[]] * len(RELEASES))
        told = shown(slow) + "".join(shown(spoil(chinese)) for spoil, _ in PROBLEMS.values())
    said = re.sub(r"errmsg.*?\n    (?=\S)", "", told.replace(REASON, ""), flags=re.DOTALL)
    assert english_in(said) == []
    assert "符合预期" in told


def test_one_difference_makes_exit_code_1_and_is_named_with_its_row(report: Report) -> None:
    differing = other(report, run_state="success")
    told = shown(differing)
    assert differing.exit_code == 1
    assert "✗ rejected (wx1000000000000005) did not end as it must:\n    run_state must be failed, is success" in told
    assert "✗ 5 of 6 ended as expected" in told


def test_a_run_that_has_not_ended_is_out_of_time_and_not_wrong_unlike_one_that_ended_otherwise(report: Report) -> None:
    slow = replace(other(report, run_state="running", outcome="not finished"), ledger=[])
    told = unbroken(shown(slow))
    assert slow.exit_code == 3
    assert "Out of time after 240 s, nothing is known to be wrong: rejected had not ended." in told
    assert "--patience 480" in told
    assert "✗" not in told
    assert "5 of 6 ended as expected" in told
    assert other(slow, 0, run_state="failed").exit_code == 1


TASKS = PLAIN.must_be["task_states"]


@pytest.mark.parametrize(
    ("seen", "difference"),
    [
        ({"road": ["unchanged"]}, "road must be configured, is unchanged"),
        ({"road": []}, "road must be configured, is empty"),
        ({"outcome": "stopped at release"}, "outcome must be released, is stopped at release"),
        ({"errcode": 89019}, "errcode must be 0, is 89019"),
        ({"errcode": None}, "errcode must be 0, is None"),
        ({"next_step": "ask WeChat"}, "next_step must be released, is ask WeChat"),
        ({"run_state": "failed"}, "run_state must be success, is failed"),
        ({"effective": []}, "effective must be https://m.example.com, is empty"),
        ({"task_states": {**TASKS, "release": "failed"}}, "task release must be success, is failed"),
        ({"task_states": {**TASKS, "extra": "success"}}, "task extra must be None, is success"),
        ({"task_states": {**TASKS, "release": ""}}, "task release must be success, is "),
    ],
)
def test_each_field_that_differs_is_named(seen: dict[str, Any], difference: str) -> None:
    assert Row(release=PLAIN, seen=PLAIN.must_be | seen).differences == [difference]


PROBLEMS: dict[str, tuple[Callable[[Report], Report], str]] = {
    "another order": (
        lambda report: replace(report, journal=[call(report, "commit", PLAIN.appid), *report.journal]),
        "order of calls, plain: called commit < setwebviewdomain < submit_audit < release; must be setwebviewdomain <",
    ),
    "a commit after a refused domain": (
        lambda report: more(report, replace(call(report, "commit", PLAIN.appid), appid=UNREGISTERED.appid)),
        "order of calls, unregistered: called setwebviewdomain < commit; must be setwebviewdomain",
    ),
    "a call that is missing": (
        lambda report: without(report, "submit_audit", REJECTED.appid),
        "order of calls, rejected: called setwebviewdomain < commit; must be setwebviewdomain < commit < submit_audit",
    ),
    "a ticket that was not taken": (
        lambda report: replace(report, deliveries=[report.deliveries[0], replace(report.deliveries[1], status=403)]),
        f"tickets and tokens, {SECOND_PLATFORM}: no ticket was taken",
    ),
    "a platform's token asked for twice": (
        lambda report: more(report, call(report, "api_component_token", PLATFORM)),
        f"tickets and tokens, {PLATFORM}: api_component_token asked 2 times; must be 1",
    ),
    "a merchant's token that nobody asked for": (
        lambda report: without(report, "api_authorizer_token", PLAIN.appid),
        f"tickets and tokens, {PLAIN.appid}: api_authorizer_token asked 0 times; must be 1",
    ),
    "a second release": (
        lambda report: replace(report, ledger=[*report.ledger, noted(report, "release")]),
        "ledger, plain: holds release, release, submit_audit; must be release, submit_audit",
    ),
    "a release after a rejection": (
        lambda report: replace(report, ledger=[*report.ledger, noted(report, "release", appid=REJECTED.appid)]),
        "ledger, rejected: holds release, submit_audit; must be submit_audit",
    ),
    "an empty ledger": (
        lambda report: replace(report, ledger=[]),
        "ledger, plain: holds none; must be release, submit_audit",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_does_not_hold_makes_exit_code_1_and_is_named(report: Report, name: str) -> None:
    spoil, problem = PROBLEMS[name]
    spoilt = spoil(report)
    assert spoilt.exit_code == 1
    assert f"✗ {problem}" in unbroken(shown(spoilt))


def test_what_has_no_weight_changes_nothing(report: Report) -> None:
    again = replace(report.deliveries[0], status=None, answer="ReadTimeout")
    refused = [noted(report, "release", result="refused"), noted(report, "submit_audit", result="unknown")]
    commit = call(report, "commit", PLAIN.appid)
    others = [replace(commit, path="/wxa/get_category", method="GET", body=None), replace(commit, appid=None)]
    weightless = more(
        replace(report, deliveries=[again, *report.deliveries], ledger=[*report.ledger, *refused]), *others
    )
    assert weightless.exit_code == 0


@pytest.mark.parametrize("width", [80, 100, 120, 140])
def test_the_table_holds_every_column_of_every_row_and_a_narrow_one_all_but_the_next_step(
    report: Report, width: int
) -> None:
    is_narrow = width == 80
    lines = shown(replace(report, rows=[replace(row, error="") for row in report.rows]), width).splitlines()
    for header in ("Mini Program", "Road taken", "Outcome", "Errcode", "Run"):
        assert header in lines[2]
    assert ("Next step" in lines[2]) is not is_narrow
    for row in report.rows:
        (line,) = [line for line in lines if row.release.appid in line and "  " in line]
        assert str(row.seen["errcode"]) in line
        assert row.seen["run_state"] in line
        assert is_narrow or row.seen["next_step"].split()[0] in line
    assert max(map(len, lines)) <= width or is_narrow


def test_what_a_failed_task_says_is_shown_with_its_address_in_one_piece(report: Report) -> None:
    told = shown(other(report, error=f"the audit rejected it\n  reason 1\n  {URL}"), 80)
    assert "rejected stopped; its task says:\n  the audit rejected it" in told
    assert f"    {URL}\n" in told


def test_the_json_says_for_each_row_what_was_seen_and_what_must_be(report: Report) -> None:
    told = json.loads(json.dumps(other(report, run_state="success").to_json()))
    assert (told["exit_code"], told["seconds"], len(told["rows"])) == (1, 48.6, 6)
    assert told["rows"][0]["seen"] == told["rows"][0]["must_be"]
    assert told["rows"][5]["differences"] == ["run_state must be failed, is success"]
    assert [told[f"{what}_problems"] for what in ("ticket", "order", "ledger")] == [[], [], []]
    assert [entry["path"] for entry in told["journal"]] == [entry.path for entry in report.journal]
    assert [delivery["answer"] for delivery in told["deliveries"]] == ["success", "success"]


def test_a_home_without_a_store_has_an_empty_ledger_and_gets_none(tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == []
    assert list(tmp_path.iterdir()) == []

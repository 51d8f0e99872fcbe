import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from airflow_wxa.api.code import release
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.releases import RELEASES
from airflow_wxa.cli.demo.report import Report, show
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.texts.setting import speaking
from tests.cli.demo.conftest import entry_of, noted
from tests.english import english_in

URL = "https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getauditstatus"
PLAIN, REJECTED = RELEASES[0], RELEASES[5]


def shown(report: Report, width: int = 120) -> str:
    sink = StringIO()
    show(report, Console(file=sink, width=width))
    return sink.getvalue()


def unbroken(text: str) -> str:
    """Return a text without the line ends that the width of a terminal has made."""
    return " ".join(text.split())


def other(report: Report, **seen: Any) -> Report:
    """The same, but the last row ended otherwise."""
    *first, last = report.rows
    return replace(report, rows=[*first, replace(last, seen=last.seen | seen)])


def without(report: Report, place: int) -> Report:
    return replace(report, journal=[*report.journal[:place], *report.journal[place + 1 :]])


def test_all_as_written_down_makes_exit_code_0(report: Report) -> None:
    assert report.exit_code == 0
    assert report.problems == {"tickets": [], "order": [], "ledger": []}
    told = unbroken(shown(report))
    assert "✓ 6 of 6 ended as expected, in 49 s." in told
    assert "for each platform one api_component_token (2), for each Mini Program one api_authorizer_token (6)." in told
    assert "✓ The provider's ledger: one accepted submit_audit and one accepted release for each released" in told


def test_all_of_it_is_told_in_chinese(report: Report) -> None:
    first, *rest = other(report, run_state="success", road=[]).rows
    slow = replace(report, rows=[replace(first, seen=first.seen | {"run_state": "running"}), *rest])
    with speaking("zh"):
        told = shown(slow) + "".join(shown(spoil(report)) for spoil, _ in PROBLEMS.values())
    assert english_in(re.sub(r"the pages do not.*", "", told)) == []
    assert "符合预期" in told


def test_one_difference_makes_exit_code_1_and_is_named_with_its_row(report: Report) -> None:
    differing = other(report, run_state="success")
    told = shown(differing)
    assert differing.exit_code == 1
    assert "✗ rejected (wx1000000000000005) did not end as it must:\n    run_state must be failed, is success" in told
    assert "✗ 5 of 6 ended as expected" in told


def test_a_run_that_has_not_ended_is_out_of_time_and_not_wrong(report: Report) -> None:
    slow = replace(other(report, run_state="running", outcome="not finished"), ledger=[])
    told = unbroken(shown(slow))
    assert slow.exit_code == 3
    assert "Out of time after 240 s, nothing is known to be wrong: rejected had not ended." in told
    assert "--patience 480" in told
    assert "✗" not in told
    assert "5 of 6 ended as expected" in told


def test_what_ended_otherwise_is_wrong_however_slow_the_others_are(report: Report) -> None:
    first, *rest = other(report, run_state="running").rows
    assert replace(report, rows=[replace(first, seen=first.seen | {"run_state": "failed"}), *rest]).exit_code == 1


PROBLEMS: dict[str, tuple[Callable[[Report], Report], str]] = {
    "another order": (
        lambda report: replace(report, journal=report.journal[::-1]),
        "order of calls, plain: called release < submit_audit < commit < setwebviewdomain; must be",
    ),
    "a commit after a refused domain": (
        lambda report: replace(report, journal=[*report.journal, entry_of("/wxa/commit", "wx1000000000000004")]),
        "order of calls, unregistered: called setwebviewdomain < commit; must be setwebviewdomain",
    ),
    "a call that is missing": (
        lambda report: without(report, len(report.journal) - 1),
        "order of calls, rejected: called setwebviewdomain < commit; must be setwebviewdomain < commit < submit_audit",
    ),
    "a ticket that was not taken": (
        lambda report: replace(report, deliveries=[report.deliveries[0], replace(report.deliveries[1], status=403)]),
        "tickets and tokens, wx200000000000000f: no ticket was taken",
    ),
    "a platform's token asked for twice": (
        lambda report: replace(report, journal=[report.journal[0], *report.journal]),
        "tickets and tokens, wx100000000000000f: api_component_token asked 2 times; must be 1",
    ),
    "a merchant's token that nobody asked for": (
        lambda report: without(report, 2),
        "tickets and tokens, wx1000000000000001: api_authorizer_token asked 0 times; must be 1",
    ),
    "a second release": (
        lambda report: replace(report, ledger=[*report.ledger, noted(PLAIN.appid, "release")]),
        "ledger, plain: holds release, release, submit_audit; must be release, submit_audit",
    ),
    "a release after a rejection": (
        lambda report: replace(report, ledger=[*report.ledger, noted(REJECTED.appid, "release")]),
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
    refused = [noted(PLAIN.appid, "release", errcode=-1), noted(PLAIN.appid, "submit_audit", is_answered=False)]
    reads = replace(entry_of("/wxa/get_category", PLAIN.appid), method="GET", body=None)
    others = [reads, entry_of("/wxa/getversioninfo", PLAIN.appid), entry_of("/wxa/commit", None)]
    weightless = replace(
        report,
        deliveries=[again, *report.deliveries],
        ledger=[*report.ledger, *refused],
        journal=[*report.journal, *others],
    )
    assert weightless.exit_code == 0


@pytest.mark.parametrize("width", [100, 120, 140])
def test_the_table_holds_every_column_of_every_row(report: Report, width: int) -> None:
    lines = shown(report, width).splitlines()
    for header in ("Mini Program", "Road taken", "Outcome", "Errcode", "Next step", "Run"):
        assert header in lines[2]
    for row in report.rows:
        (line,) = [line for line in lines if row.release.appid in line and "  " in line]
        assert str(row.seen["errcode"]) in line
        assert row.seen["run_state"] in line
        assert row.seen["next_step"].split()[0] in line
    assert max(map(len, lines)) <= width


def test_a_narrow_terminal_keeps_all_but_the_next_step(report: Report) -> None:
    lines = shown(report, 80).splitlines()
    assert "Run" in lines[2]
    assert "Next step" not in lines[2]


def test_what_a_failed_task_says_is_shown_with_its_address_in_one_piece(report: Report) -> None:
    *first, last = report.rows
    told = shown(replace(report, rows=[*first, replace(last, error=f"the audit rejected it\n  reason 1\n  {URL}")]), 80)
    assert "rejected stopped; its task says:\n  the audit rejected it" in told
    assert f"    {URL}\n" in told


def test_the_json_says_for_each_row_what_was_seen_and_what_must_be(report: Report) -> None:
    told = json.loads(json.dumps(other(report, run_state="success").to_json()))
    assert (told["exit_code"], told["seconds"], len(told["rows"])) == (1, 48.6, 6)
    assert told["rows"][0]["seen"] == told["rows"][0]["must_be"]
    assert told["rows"][5]["differences"] == ["run_state must be failed, is success"]
    assert [told[f"{what}_problems"] for what in ("ticket", "order", "ledger")] == [[], [], []]
    assert [entry["path"] for entry in told["journal"][8:10]] == ["/wxa/setwebviewdomain", "/wxa/commit"]
    assert [delivery["answer"] for delivery in told["deliveries"]] == ["success", "success"]


def test_the_ledger_is_read_from_the_store_in_the_home(tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == []
    assert list(tmp_path.iterdir()) == []  # a home without a store gets none
    ledger = Ledger(f"sqlite:///{tmp_path / 'wxa.db'}")
    noted_rows = ledger.intend(PLAIN.component_appid, [release(PLAIN.appid)], TaskRef(run_id="plain"))
    ledger.answered(dict.fromkeys(noted_rows, 0))
    assert [(row.appid, row.task.run_id, row.result) for row in read_ledger(tmp_path)] == [(PLAIN.appid, "plain", "ok")]

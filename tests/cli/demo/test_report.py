from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from airflow_wxa.cli.demo.report import Report, show

if TYPE_CHECKING:
    from airflow_wxa import sandbox, store
    from airflow_wxa.cli.demo.endings import Row
    from airflow_wxa.sandbox.pushes import Delivery

URL = "https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getauditstatus"


@pytest.fixture
def report(
    rows: list[Row], journal: list[sandbox.Entry], deliveries: list[Delivery], ledger: list[store.Entry]
) -> Report:
    return Report(rows=rows, journal=journal, deliveries=deliveries, ledger=ledger, seconds=48.6)


def shown(report: Report, width: int = 120) -> str:
    sink = StringIO()
    show(report, Console(file=sink, width=width))
    return sink.getvalue()


def unbroken(text: str) -> str:
    """Return a text without the line ends that the width of a terminal has made."""
    return " ".join(text.split())


def other(report: Report, **seen: str) -> Report:
    """The same, but the last row ended otherwise."""
    *first, last = report.rows
    return replace(report, rows=[*first, replace(last, seen=replace(last.seen, **seen))])


def test_all_as_written_down_makes_exit_code_0(report: Report) -> None:
    assert report.exit_code == 0
    assert "✓ 6 of 6 ended as written down, in 49 s." in shown(report)


def test_one_difference_makes_exit_code_1_and_is_named_with_its_row(report: Report) -> None:
    differing = other(report, run_state="success")
    told = shown(differing)
    assert differing.exit_code == 1
    assert "✗ rejected (wx1000000000000005) did not end as it must:\n    run_state must be failed, is success" in told
    assert "✗ 5 of 6 ended as written down" in told


def test_another_order_of_calls_makes_exit_code_1(report: Report) -> None:
    backwards = replace(report, journal=report.journal[::-1])
    assert backwards.exit_code == 1
    assert "✗ order of calls, plain (wx1000000000000001): called release < submit_audit < " in shown(backwards)


def test_what_holds_besides_the_rows_is_told_with_its_counts(report: Report) -> None:
    told = unbroken(shown(report))
    assert (
        "✓ Tickets: pushed encrypted, accepted by the receiver in Airflow's API server; for each platform one" in told
    )
    assert "api_component_token (2), for each Mini Program one api_authorizer_token (6)." in told
    assert "✓ The provider's ledger: one accepted submit_audit and one accepted release for each released" in told


def test_a_ticket_that_was_not_taken_makes_exit_code_1(report: Report) -> None:
    first, second = report.deliveries
    refused = replace(report, deliveries=[first, replace(second, status=403, answer="")])
    assert refused.exit_code == 1
    assert "✗ tickets and tokens, wx200000000000000f: no ticket was taken" in shown(refused)


def test_a_ticket_that_was_taken_at_the_second_attempt_is_taken(report: Report) -> None:
    lost = replace(report.deliveries[0], status=None, answer="ReadTimeout")
    assert replace(report, deliveries=[lost, *report.deliveries]).exit_code == 0


def test_a_token_that_was_asked_for_twice_makes_exit_code_1(report: Report) -> None:
    twice = replace(report, journal=[report.journal[0], *report.journal])
    assert twice.exit_code == 1
    assert "wx100000000000000f: api_component_token asked 2 times; must be 1" in shown(twice)


def test_a_second_release_in_the_ledger_makes_exit_code_1(report: Report) -> None:
    (release,) = [row for row in report.ledger if (row.endpoint, row.appid) == ("release", "wx1000000000000001")]
    twice = replace(report, ledger=[*report.ledger, release])
    assert twice.exit_code == 1
    assert "✗ ledger, plain (wx1000000000000001): holds submit_audit, release, release; must be" in shown(twice)


@pytest.mark.parametrize("width", [100, 120, 140])
def test_the_table_holds_every_column_of_every_row(report: Report, width: int) -> None:
    lines = shown(report, width).splitlines()
    for header in ("Mini Program", "Road taken", "Outcome", "Errcode", "Next step", "Run"):
        assert header in lines[2]
    for row in report.rows:
        (line,) = [line for line in lines if row.story.appid in line and "  " in line]
        assert str(row.seen.errcode) in line
        assert row.seen.run_state in line
        assert row.seen.next_step.split()[0] in line
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

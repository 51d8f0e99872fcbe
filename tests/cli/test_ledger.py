"""The ledger on the command line."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
from sqlalchemy import update

from airflow_wxa.api.code import release
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.errors import WxaStateError
from airflow_wxa.hooks.connection import _platform
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store import Ledger, Result, TaskRef
from airflow_wxa.store.tables import ledger as rows
from tests.cli.healthy import Command, SetUp

OTHER = "wx0000000000000002"
TASK = TaskRef(dag_id="wxa_release", run_id="manual__1", task_id="release", try_number=1, triggered_by="lin")


@pytest.fixture
def ledger(set_up: SetUp) -> Ledger:
    """Return a ledger with a row of each kind; the newest is somebody's decision."""
    ledger = Ledger(set_up.store_url)
    ledger.answered(dict.fromkeys(ledger.intend(COMPONENT_APPID, [release(APPID)], TASK), 0))
    ledger.settle(COMPONENT_APPID, TASK, [Result(APPID, "release", {"outcome": "released"})])
    refusal = WxaStateError("refused", errcode=85020, errmsg="=cmd()", rid="r-1")
    ledger.answered(dict.fromkeys(ledger.intend(COMPONENT_APPID, [release(OTHER)], TASK), refusal))
    ledger.intend("wx00000000000000c2", [modify_wxa_jump_domain("add", ["example.com"])], TaskRef())
    said = {"outcome": "rejected", "by": "[bold]wu", "why": "pay page"}
    ledger.decided(COMPONENT_APPID, APPID, TaskRef(run_id="manual__2", task_id="approve_release"), said)
    return ledger


def test_the_table_says_who_did_what_with_which_result_the_newest_first(ledger: Ledger, command: Command) -> None:
    ended = command("ledger")
    assert (ended.code, ended.err) == (0, "")
    rows = [" ".join(line.replace("|", " ").split()[2:]) for line in ended.out.splitlines()[2:] if line.strip()]
    assert rows == [
        f"[bold]wu manual__2 approve_release {APPID} approve_release 0 ok: rejected",
        "by hand (platform list) modify_wxa_jump_domain unknown",
        f"lin manual__1 release {OTHER} release 85020 refused",
        f"lin manual__1 release {APPID} release 0 ok: released",
    ]


def test_filters_narrow_it_down_to_an_empty_ledger_which_says_so(ledger: Ledger, command: Command) -> None:
    for options, count in (
        (["--appid", APPID], 2),
        (["--run-id", "manual__1"], 2),
        (["--component-appid", COMPONENT_APPID], 3),
        (["--most", "1"], 1),
        (["--appid", APPID, "--run-id", "manual__2"], 1),
        (nothing := ["--appid", "wx00000000000000ff"], 0),
    ):
        assert len(json.loads(command("ledger", "--json", *options).out)) == count
    assert command("ledger", *nothing).err == "The ledger holds no such row.\n"
    assert command("ledger", "--csv", "-", *nothing).out == "\n"


def test_json_holds_all_there_is_and_more_rows_than_a_table(
    ledger: Ledger, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_wxa.cli.ledger._ROWS_OF_A_TABLE", 3)
    assert command("ledger").out.count(" | ") == 4 * 7  # a header and three rows
    assert len(json.loads(command("ledger", "--json").out)) == 4
    newest, lost, refused, _ = json.loads(command("ledger", "--json", "--most", "9" * 30).out)
    assert (newest["after"]["why"], newest["result"]) == ("pay page", "ok")
    assert (lost["result"], lost["answered_at"], lost["asked"]["action"]) == ("unknown", None, "add")
    assert (refused["errmsg"], refused["rid"], refused["triggered_by"]) == ("=cmd()", "r-1", "lin")
    assert refused["sent_at"].endswith("+00:00")


def test_csv_is_no_formula_and_needs_a_file_that_can_be_written(
    ledger: Ledger, command: Command, tmp_path: Path
) -> None:
    ended = command("ledger", "--csv", str(tmp_path / "ledger.csv"))
    assert (ended.code, ended.out) == (0, "")
    written = (tmp_path / "ledger.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["errmsg"] for row in rows] == ["", "", "'=cmd()", ""]
    assert json.loads(rows[0]["after"])["by"] == "[bold]wu"
    assert command("ledger", "--csv", "-").out == written
    command("ledger", "--csv", str(tmp_path)).refuses(f"{tmp_path} cannot be written")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--appid", APPID], 2),
        (["--older-than", "0"], 0),
        (["--older-than", "41"], 4),
        (["--older-than", "40.5", "--appid", APPID], 4),
    ],
)
def test_erasing_leaves_the_rest(ledger: Ledger, command: Command, options: list[str], left: int) -> None:
    with ledger._database.writing() as connection:  # what is young may be needed, and stays
        connection.execute(update(rows).values(sent_at=rows.c.sent_at - 40 * 86400))
    asked = left == 0  # else --yes answers
    ended = command("ledger", "--erase", *options, *([] if asked else ["--yes"]), stdin="y\n" if asked else "")
    assert (ended.code, "cannot be brought back" in ended.err) == (0, asked)
    ended.says(f"{4 - left} rows of")
    assert len(ledger.entries()) == left


def test_nothing_is_erased_without_a_yes_nor_by_options_that_do_not_go_together(
    ledger: Ledger, command: Command
) -> None:
    for stdin in ("", "n\n", "maybe\n"):
        command("ledger", "--erase", "--older-than", "0", stdin=stdin).refuses()
    for options, said in (
        ("--erase", "--erase: needs --older-than or --appid"),
        ("--erase --older-than 1 --run-id r --most 3", "--most: does not go with --erase"),
        ("--older-than 3", "--older-than: goes with --erase"),
        ("--yes", "--yes: goes with --erase"),
        ("--json --csv x", "--json and --csv: one of them"),
    ):
        command("ledger", *options.split()).refuses(said)
    assert len(ledger.entries()) == 4


def test_bytes_that_are_no_text_a_reader_that_leaves_early_and_a_store_that_is_down_are_no_traceback(
    ledger: Ledger, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command("ledger", "--run-id", "\udcff").refuses("run_id = '\\udcff': is no UTF-8")
    ledger.decided(COMPONENT_APPID, APPID, TASK, {"why": "x" * 100_000})  # more than is kept back
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", stdout)
        command("ledger", "--csv", "-").refuses()
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}")
    command("ledger").refuses("the store")


def test_who_only_looks_makes_no_store(
    tmp_path: Path, set_up: SetUp, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "absent.db"
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{file}")
    looks = {"ledger": 0, "ledger --csv -": 0, "accounts": 0, "ticket": 1}
    looks |= {"fleet status r": 1, "fleet rerun r": 1, "fleet stop r": 1}
    assert {words: command(*words.split()).code for words in looks} == looks
    assert not file.exists()
    assert os.environ["AIRFLOW__WXA__SQL_ALCHEMY_CONN"] == f"sqlite:///{file}"
    _platform.cache_clear()  # each command is a process of its own
    assert command("ticket", "--import", "-", stdin="ticket-of-somebody").code == 0
    assert file.exists()

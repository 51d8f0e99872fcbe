"""One definition of each command, for Airflow's program and for ours."""

import ast
import json
import subprocess
import sys

import pytest
from airflow.cli.cli_config import GroupCommand

from airflow_wxa.cli.airflow_group import WXA_COMMANDS, get_wxa_cli_commands
from airflow_wxa.cli.doctor.rules import RULES
from airflow_wxa.cli.main import LISTED, UNLISTED
from airflow_wxa.get_provider_info import get_provider_info
from airflow_wxa.sandbox.testing import APPID
from tests.cli.healthy import Command, SetUp


def test_the_provider_declares_the_group_whose_commands_our_program_takes_unlisted() -> None:
    assert get_provider_info()["cli"] == ["airflow_wxa.cli.airflow_group.get_wxa_cli_commands"]
    (group,) = get_wxa_cli_commands()
    assert isinstance(group, GroupCommand)
    assert group.name == "wxa"
    came_later = {"db", "fleet"}  # only ever were commands of Airflow's
    assert {each.name for each in group.subcommands} == UNLISTED | came_later
    assert not UNLISTED & LISTED


def test_declaring_the_group_imports_neither_hooks_nor_operators() -> None:
    program = (
        "import sys, airflow.cli.cli_config; from airflow_wxa.cli.airflow_group import get_wxa_cli_commands; "
        "get_wxa_cli_commands(); print(sorted(n for n in sys.modules if n.startswith('airflow_wxa.')))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    ours = {"cli", "cli.airflow_group", "cli.definitions", "texts", "texts.setting", "get_provider_info", "preload"}
    assert set(ast.literal_eval(said.stdout.splitlines()[-1])) <= {f"airflow_wxa.{name}" for name in ours}


@pytest.mark.parametrize("name", sorted(UNLISTED - {"rotate-keys", "ledger"}))  # they need none
def test_a_missing_connection_is_said_without_a_traceback(command: Command, name: str) -> None:
    needed = {"authorise": ["--code", "c"], "conformance": ["--appid", APPID]}
    ended = command(name, "--wxa-conn-id", "wxa_missing", *needed.get(name, ()))
    ended.refuses("there is no Connection 'wxa_missing'", "AIRFLOW_CONN_WXA_MISSING")


def test_a_connection_that_cannot_be_read_or_used_and_what_can_be_no_appid_are_refused_before_anything_is_asked(
    set_up: SetUp, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("doctor", "authorise --code c"):
        command(*name.split(), "--appid", "wx123").refuses("--appid wx123: is not wx and 16 hex digits")
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", '{"password": "canary-secret"')
    ended = command("doctor")
    ended.refuses("AIRFLOW_CONN_WXA_DEFAULT is set, but holds neither")
    ended.hides("canary-secret")
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", '{"conn_type": "wxa"}')
    for name in ("accounts", "ticket"):
        command(name).refuses("names no platform")
    assert len(set_up.running.journal) == 0


def test_our_doctor_prints_a_table_and_what_it_could_not_look_at_and_airflow_runs_it(
    set_up: SetUp, command: Command
) -> None:
    command("doctor").says("nothing found")
    set_up.world.platforms[0].audit_rest = 0
    command("doctor").says("audit_quota", "服务商助手", "Not looked at", "errors: 1", code=1)
    program = [sys.executable, "-m", "airflow", "wxa", "doctor", "--json"]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    told = json.loads(ended.stdout)
    assert (ended.returncode, [each["rule"] for each in told["findings"]]) == (1, ["audit_quota"])
    rules = {"audit_quota", *told["looked_at"], *(each["rule"] for each in told["not_looked_at"])}
    assert rules == {each.key for each in RULES}


@pytest.mark.parametrize("name", ["doctor", "accounts", "ledger"])
def test_every_listing_takes_airflows_formats_and_json_is_short_for_one(command: Command, name: str) -> None:
    assert [command(name, "--output", output).code for output in ("table", "plain", "json", "yaml")] == [0] * 4
    short, long = (json.loads(command(name, *words).out) for words in (["--json"], ["-o", "json"]))
    assert type(short) is type(long)
    assert str(short)[:40] == str(long)[:40]


def test_a_help_loses_no_word_to_markup() -> None:
    """Airflow prints helps through rich, which takes a name in brackets for a style."""
    for each in WXA_COMMANDS:
        texts = [each.help, each.description, *(str(arg.kwargs.get("help", "")) for arg in each.args)]
        assert [text for text in texts if text and "[" in text] == []

"""With ``[wxa] language = zh`` no command says a sentence in English."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_wxa.cli.definitions import commands
from airflow_wxa.cli.opening import print_rows
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.texts.setting import speaking
from tests.cli.healthy import Command, Ended, SetUp
from tests.cli.test_fleet import fleets, written  # noqa: F401  a fixture
from tests.english import english_in

#: Words of argparse, of WeChat, and of who made up the runs.
_OTHERS = re.compile(
    r"show this help message and exit|show program's version number and exit|errmsg.*|=the reviewer said no|"
    r"not authorised|ask the merchant|webview domain not changed|No such file or directory"
)


@pytest.fixture(autouse=True)
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")


def is_chinese(ended: Ended) -> None:
    said = ended.out + ended.err
    assert english_in(_OTHERS.sub("", said)) == [], said
    assert re.search(r"[\u4e00-\u9fff]", said), said


#: Command → its words, each of which it is tried with.
COMMANDS = {
    "doctor": ["", "--appid wx123"],
    "conformance": [f"--appid {APPID}", f"--appid {APPID} --write"],
    "accounts": ["", "--import-list --read-granted", "--import-csv -"],
    "authorise": ["", "--redirect-uri https://example.com/back"],
    "ticket": ["", "--restart"],
    "rotate-keys": [""],
    "ledger": ["", "--erase", "--erase --older-than 0"],
    "errcode": ["89019 -5"],
    "docs": ["nothing"],
    "sandbox": ["--world nothing.json"],
    "receiver": ["--conn-id nobody"],
    "token-server": ["--bearers nothing.json"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_speaks_chinese(command: Command, name: str) -> None:
    for words in COMMANDS[name]:
        is_chinese(command(name, *words.split(), stdin="appid,refresh_token\nx,\nwx1,a b,c\n"))


def test_a_doctor_with_findings_speaks_chinese(set_up: SetUp, command: Command) -> None:
    set_up.world.platforms[0].ip_allowed = False
    ended = command("doctor")
    assert ended.code == 1
    is_chinese(ended)


@pytest.mark.usefixtures("fleets")
def test_a_fleet_is_told_in_chinese(command: Command, tmp_path: Path) -> None:
    path = written(tmp_path, [APPID, "wx00000000000000ff"])
    for words in (f"plan {path}", f"check {path}", "status spring", "stop spring", "status nothing"):
        is_chinese(command("fleet", *words.split()))


@pytest.mark.parametrize("group", ["program", "wxa", "fleet", "db"])
def test_helps_are_in_chinese(group: str) -> None:
    with speaking("zh"):
        for command in commands(group):
            texts = [command.help, command.description, *(arg["help"] for arg in command.args)]
            assert all(texts), command.name
            assert english_in(*texts) == []


def test_words_that_programs_read_stay_as_they_are(
    capsys: pytest.CaptureFixture[str], command: Command, tmp_path: Path
) -> None:
    row = {"state": "refused", "result": "refused", "verdict": "held"}
    print_rows([row], "json")
    assert json.loads(capsys.readouterr().out) == [row]
    rows = json.loads(command("fleet", "plan", written(tmp_path, [APPID]), "-o", "json").out)
    assert rows[0]["steps"] == "configure commit submit wait release"


def printed(folder: Path, program: str, **environment: str) -> str:
    """Return what a program prints that finds its configuration in a folder."""
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(folder), **environment}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout


def test_a_help_is_shown_in_the_language_of_a_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[wxa]\nlanguage = zh\nother = 100%s\n", "utf-8")
    shown = printed(tmp_path, "from airflow_wxa.cli.main import main; main(['--help'])")
    assert english_in(_OTHERS.sub("", shown)) == []
    assert "查询" in shown
    elsewhere = {"FOLDER": str(tmp_path), "AIRFLOW_CONFIG": "$FOLDER/airflow.cfg"}
    program = "from airflow_wxa.texts.setting import language; print(language())"
    assert printed(tmp_path / "absent", program, **elsewhere) == "zh\n"


@pytest.mark.parametrize("content", [b"language = zh\n[wxa]\n", b"[core]\n# \xd6\xd0\xce\xc4\n"])
def test_a_file_that_airflow_refuses_stops_no_command_that_needs_no_airflow(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "airflow.cfg").write_bytes(content)
    assert "89020" in printed(tmp_path, "from airflow_wxa.cli.main import main; main(['errcode', '89020'])")

from __future__ import annotations

import io
import platform
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from airflow_wxa import __version__
from airflow_wxa.cli.main import LISTED, main, parser

QUICK = """
import sys
from airflow_wxa.cli.main import main
assert main(["errcode", "89020"]) == 0
heavy = {"airflow", "fastapi", "requests", "httpx", "airflow_wxa.sandbox", "airflow_wxa.cli.demo"} & set(sys.modules)
assert not heavy, heavy
"""


def test_errcode_imports_neither_airflow_nor_the_other_commands() -> None:
    subprocess.run([sys.executable, "-c", QUICK], check=True, stdout=subprocess.DEVNULL)


def test_every_command_of_the_parser_has_its_module(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert set(re.findall(r"^    (\S+)", shown, re.MULTILINE)) == LISTED


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    beside = f"Apache Airflow {version('apache-airflow')}, Python {platform.python_version()}"
    assert capsys.readouterr().out == f"airflow-wxa {__version__}, {beside}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "COMMAND"),
        (["release"], "invalid choice: 'release'"),
        (["errcode"], "CODE"),
        (["errcode", "busy"], "invalid int value: 'busy'"),
        (["sandbox", "--port", "65536"], "'65536' is no such number: 0 to 65535"),
        (["demo", "--port", "-1"], "'-1' is no such number"),
        (["demo", "--port", "٣"], "is no such number"),
    ],
)
def test_words_that_make_no_command_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert told in capsys.readouterr().err


def test_the_sandbox_listens_on_loopback_unless_told_otherwise() -> None:
    arguments = parser().parse_args(["sandbox"])
    assert (arguments.host, arguments.port, arguments.world) == ("127.0.0.1", 8099, None)


def test_a_negative_errcode_is_no_option() -> None:
    assert parser().parse_args(["errcode", "-1", "89020"]).codes == [-1, 89020]


def test_an_interrupted_command_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt(name)

    monkeypatch.setattr("airflow_wxa.cli.main.import_module", interrupted)
    assert main(["demo"]) == 130


@pytest.mark.parametrize("words", [["errcode", "89020"], ["docs", "rescue"]])
def test_a_terminal_that_lacks_a_character_stops_no_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "latin-1", write_through=True))
    assert main(words) == 0
    assert b"\\u" in written.getvalue()

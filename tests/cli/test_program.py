"""``airflow-wxa`` itself, and its commands that look things up."""

import io
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import airflow_wxa
from airflow_wxa import __version__
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.cli.lookup import explain, pages
from airflow_wxa.cli.main import LISTED, main, parser
from airflow_wxa.texts import Text, in_language

QUICK = """
import sys
from airflow_wxa.cli.main import main
assert main(["errcode", "89020"]) == 0
heavy = {"airflow", "fastapi", "requests", "httpx", "airflow_wxa.sandbox", "airflow_wxa.cli.demo"} & set(sys.modules)
assert not heavy, heavy
"""


def test_errcode_imports_neither_airflow_nor_the_other_commands() -> None:
    subprocess.run([sys.executable, "-c", QUICK], check=True, stdout=subprocess.DEVNULL)


def test_the_help_lists_every_command_and_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert set(re.findall(r"^    (\S+)", capsys.readouterr().out, re.MULTILINE)) == LISTED
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
        (["ledger", "--most", "0"], "'0'"),
        (["ledger", "--most", "x"], "'x'"),
        (["ledger", "--older-than", "-1"], "-1"),
        (["ledger", "--older-than", "nan"], "'nan'"),
    ],
)
def test_words_that_make_no_command_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert told in capsys.readouterr().err


def test_a_server_listens_on_loopback_a_negative_errcode_is_no_option_and_an_interrupt_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox, receiver = (parser().parse_args([name]) for name in ("sandbox", "receiver"))
    assert (sandbox.host, sandbox.port, sandbox.world) == ("127.0.0.1", 8099, None)
    assert (receiver.host, receiver.port, receiver.conn_id) == ("127.0.0.1", 8098, ["wxa_default"])
    assert parser().parse_args(["errcode", "-1", "89020"]).codes == [-1, 89020]

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


def explained(*codes: int) -> tuple[int, str]:
    exit_code = explain(codes, Console(file=(sink := StringIO()), width=100))
    return exit_code, sink.getvalue()


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_every_row_is_told_in_full() -> None:
    rows = errcodes()
    exit_code, shown = explained(*rows)
    told = squeezed(shown)
    assert exit_code == 0
    for row in rows.values():
        texts = (row.meaning, row.action)
        parts = (str(row.errcode), *texts, *(in_language(text, "zh") for text in texts), Text(f"acts_on_{row.class_}"))
        assert [part for part in (*parts, *row.endpoints) if squeezed(part) not in told and part != "*"] == []
        assert [source for source in row.source.split("; ") if source not in shown] == []  # whole, to be clicked
    classes = ("noop (no error)", "platform_setup (WxaPlatformSetupError)")
    assert [each for each in classes if each not in shown] == []
    exit_code, shown = explained(89020, 123456)
    assert (exit_code, "123456 is not in the table" in shown) == (1, True)


def test_pages_are_listed_with_their_titles_printed_as_they_stand_and_named_where_one_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["docs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(pages())
    assert [line.partition(" ")[2].strip() for line in lines if line.startswith("cli ")] == ["Commands"]
    assert main(["docs", "rescue"]) == 0
    assert capsys.readouterr().out == pages()["rescue"].read_text("utf-8")
    assert main(["docs", "rescues"]) == 1
    told = capsys.readouterr().err
    assert "there is no page 'rescues': " in told
    assert "rescue, " in told


@pytest.mark.parametrize("folder", ["airflow_wxa/docs", "docs"])
def test_the_pages_are_found_in_a_wheel_and_beside_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "airflow_wxa").mkdir()
    (tmp_path / folder / "how-to").mkdir(parents=True)
    page = tmp_path / folder / "how-to" / "rescue.md"
    page.write_text("# Rescue\n", "utf-8")
    monkeypatch.setattr(airflow_wxa, "__file__", str(tmp_path / "airflow_wxa" / "__init__.py"))
    assert pages() == {"rescue": page}
    page.unlink()
    with pytest.raises(FileNotFoundError, match="no page in"):
        pages()

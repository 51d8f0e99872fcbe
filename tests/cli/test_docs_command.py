from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import airflow_wxa
from airflow_wxa.cli.lookup import pages
from airflow_wxa.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_name_the_pages_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(pages())
    assert [line.partition(" ")[2].strip() for line in lines if line.startswith("cli ")] == ["Commands"]


def test_a_page_is_printed_as_it_stands_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "rescue"]) == 0
    assert capsys.readouterr().out == pages()["rescue"].read_text("utf-8")


def test_a_page_that_is_not_there_is_answered_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "rescues"]) == 1
    assert "there is no page 'rescues': " in (told := capsys.readouterr().err)
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


def test_an_install_without_its_pages_is_told_where_they_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_wxa, "__file__", str(tmp_path / "airflow_wxa" / "__init__.py"))
    with pytest.raises(FileNotFoundError, match="no page in"):
        pages()

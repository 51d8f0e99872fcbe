from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.airflow_group import DB_COMMANDS
from airflow_wxa.store.engine import _head

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("from_migrations")
def test_migrating_says_from_where_to_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    (migrate,), nothing = DB_COMMANDS, argparse.Namespace()
    for said in ("was created", "is up to date"):
        migrate.func(nothing)
        assert capsys.readouterr().out == f"the store {said}, revision {_head()}\n"

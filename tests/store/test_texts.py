"""A text is stored with its key and values, and is read in any language years later."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, select

from airflow_wxa.errors import WxaStateError
from airflow_wxa.fleet.stages import ending
from airflow_wxa.store.tables import LongWords, metadata, mini_program, outcome
from airflow_wxa.texts import Text, in_language

TEXT = Text("list", each=[Text("used_up"), "wx1 \x1f{}"])


@pytest.fixture
def connection() -> Any:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def kept(connection: Any, what: str) -> Any:
    names = ("component_appid", "appid", "dag_id", "run_id", "task_id", "outcome", "who", "next_step")
    connection.execute(mini_program.insert().values(**dict.fromkeys(names, "x"), at=0.0, errcode=0, what=what))
    return connection.execute(select(mini_program.c.what)).scalar_one()


def test_a_column_keeps_a_text_whole_and_takes_words_of_others_for_none_of_ours(connection: Any) -> None:
    read = kept(connection, TEXT)
    assert (read, in_language(read, "zh")) == (TEXT, "已用完；wx1 \x1f{}")  # noqa: RUF001
    stored = connection.exec_driver_sql("SELECT what FROM wxa_mini_program").scalar_one()
    assert stored.startswith("used up; wx1")  # whoever looks with SQL reads English
    assert connection.execute(select(mini_program.c.appid).where(mini_program.c.what.contains("used up"))).scalar()
    assert LongWords().process_result_value("as it was stored before", None) == "as it was stored before"  # type: ignore[arg-type]
    connection.execute(mini_program.delete())
    forged = 'the reviewer says no\x1f{"text": "t", "key": "used_up", "part": "what", "values": {}}'
    read = kept(connection, forged)
    assert not isinstance(read, Text)
    assert read == forged.replace("\x1f", "\N{REPLACEMENT CHARACTER}")


def test_an_outcome_keeps_its_texts(connection: Any) -> None:
    error = WxaStateError(Text("sheet_is_not_in_audit", auditid="7"), values={"status": "approved"})
    names = ("component_appid", "appid", "dag_id", "run_id", "task_id")
    connection.execute(outcome.insert().values(**dict.fromkeys(names, "x"), at=0.0, said=ending(error)))
    said = connection.execute(select(outcome.c.said)).scalar_one()
    assert said["what"] == "undocodeaudit not sent: sheet 7 is not the one in audit (status approved)"
    assert in_language(said["what"], "zh") == "未发送 undocodeaudit：审核单 7 不是正在审核的那一张（status approved）"  # noqa: RUF001
    assert in_language(said["next_step"], "zh").startswith("填写")

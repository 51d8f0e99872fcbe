"""Tokens after runs that went well and runs that failed: none in the database, none in a file of Airflow's home."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import connection

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

MERCHANT = "canary/merchant+token&of-runs"
PLATFORM = "canary/platform+token&of-runs"


def written_anywhere() -> str:
    """Return all that Airflow keeps: each row of its database, each file of its home."""
    home = Path(os.environ["AIRFLOW_HOME"])
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = "\n".join(database.iterdump())
    files = [path.read_bytes().decode("utf-8", "replace") for path in home.rglob("*") if path.is_file()]
    return "\n".join([rows, *files])


def test_runs_leave_no_token_behind(
    release: Callable[..., Run], wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []
    platform.component_access_token = PLATFORM
    wxa_default.world.mini_program(APPID).authorizer_access_token = MERCHANT
    tokens = {"authorizer_access_tokens": {APPID: MERCHANT}, "component_access_token": PLATFORM}
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, **tokens))
    assert release(on_platform_list_empty="register").state == "success"
    wxa_default.add_fault(Fault(path="/wxa/commit", kind="drop_before", times=3))
    assert release(user_version="1.5.0").state == "failed"
    written = written_anywhere()
    assert APPID in written
    for token in (MERCHANT, PLATFORM):
        assert token not in written
        assert quote(token, safe="") not in written

"""Secrets in the store go under the newest key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.healthy import Ended, SetUp


def test_after_a_rotation_the_new_key_alone_opens_the_store(
    set_up: SetUp, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", f"{new},{set_up.keys[0]}")
    ended = command("rotate-keys")
    assert (ended.code, "2 rows" in ended.out) == (0, True)
    with pytest.raises(WxaSpecError, match="another key"):
        set_up.open_store().merchant(COMPONENT_APPID, APPID)
    set_up.keys = [new]
    row = set_up.open_store().merchant(COMPONENT_APPID, APPID)
    assert row is not None
    assert row.renewal is not None


def test_a_store_of_another_key_is_refused_without_a_traceback(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", key)
    ended = command("rotate-keys")
    assert (ended.code, ended.out) == (1, "")
    assert "another key" in ended.err
    assert key not in ended.err


def test_a_line_break_behind_the_url_is_dropped(
    set_up: SetUp, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that tells the URL, as ``…_CMD`` names one, ends its line."""
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"{set_up.store_url}\n")
    assert command("rotate-keys").code == 0

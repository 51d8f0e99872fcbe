"""``airflow-wxa token-server`` does not start with what would hand tokens to the wrong people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.cli.token_server import read_bearers
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.healthy import Ended, SetUp

SHA = "a" * 64


def bearers(folder: Path, content: Any, mode: int = 0o600) -> Path:
    path = folder / "bearers.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_bearers_are_read_by_their_hash(tmp_path: Path) -> None:
    read = read_bearers(bearers(tmp_path, {"a": {"sha256": SHA, "appids": [APPID]}}))
    assert (read[SHA].name, read[SHA].may_have(APPID), read[SHA].may_have("wx00000000000000ff")) == ("a", True, False)
    everything = read_bearers(bearers(tmp_path, {"a": {"sha256": SHA, "appids": "*"}}))
    assert everything[SHA].may_have("wx00000000000000ff")


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ({"a": {"sha256": SHA, "appids": "*"}}, 0o640),
        ({"a": {"sha256": "secret-bearer", "appids": "*"}}, 0o600),
        ({"a": {"sha256": SHA, "appids": ["secret-bearer"]}}, 0o600),
        ({"a": {"sha256": SHA, "appids": [7]}}, 0o600),
        ({"a": {"sha256": SHA, "appids": "all"}}, 0o600),
        ({"a": {"bearer": "secret-bearer", "sha256": SHA, "appids": "*"}}, 0o600),
        ({}, 0o600),
        ("[", 0o600),
    ],
)
def test_bearers_that_cannot_be_right_are_refused_without_being_shown(tmp_path: Path, content: Any, mode: int) -> None:
    with pytest.raises(WxaSpecError) as error:
        read_bearers(bearers(tmp_path, content, mode))
    assert "secret-bearer" not in str(error.value)


def test_bearers_of_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WxaSpecError, match="cannot be read"):
        read_bearers(tmp_path / "absent.json")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "tokens.example.com"])  # noqa: S104
def test_tokens_leave_this_machine_by_https_only(command: Callable[..., Ended], tmp_path: Path, host: str) -> None:
    path = bearers(tmp_path, {"a": {"sha256": SHA, "appids": "*"}})
    ended = command("token-server", "--bearers", str(path), "--host", host, "--port", "0")
    assert (ended.code, "--certificate is missing" in ended.err) == (1, True)


def test_a_connection_without_credentials_serves_nothing(
    set_up: SetUp, command: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"token_url": "https://tokens.example.com/token"}
    for fields in ({"extra": extra, "password": "appsecret"}, {"extra": {}}):
        connection = {"conn_type": "wxa", "host": set_up.running.url, "login": COMPONENT_APPID} | fields
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(connection))
        path = bearers(tmp_path, {"a": {"sha256": SHA, "appids": "*"}})
        ended = command("token-server", "--bearers", str(path), "--port", "0")
        assert (ended.code, "must have login and password" in ended.err) == (1, True)

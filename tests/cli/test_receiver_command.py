"""``airflow-wxa receiver``: it says what it serves, and does not start with what cannot be right."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.fernet import Fernet

from airflow_wxa.cli import serving
from airflow_wxa.cli.main import parser
from airflow_wxa.plugins.connections import PushConnections
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.sandbox.testing import COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from tests.plugins.receiving import served

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = [str(Path(sys.executable).with_name("airflow-wxa")), "receiver", "--port", "0"]
EXTRA = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY}


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    connection = {"conn_type": "wxa", "login": COMPONENT_APPID, "extra": EXTRA}
    return os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_WXA_DEFAULT": json.dumps(connection),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
    }


def test_it_listens_on_loopback_for_the_default_connection_unless_told_otherwise() -> None:
    arguments = parser().parse_args(["receiver"])
    assert (arguments.host, arguments.port, arguments.conn_id) == ("127.0.0.1", 8098, ["wxa_default"])


def test_it_serves_its_connections_only_and_ends_when_asked(environment: Mapping[str, str]) -> None:
    others = {"AIRFLOW_CONN_OTHER": environment["AIRFLOW_CONN_WXA_DEFAULT"]}
    log = Path(environment["AIRFLOW_HOME"]) / "log"
    with (
        log.open("w") as sink,
        subprocess.Popen(
            COMMAND, env={**environment, **others}, stdout=sink, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        try:
            found = re.search(r"(http://127.0.0.1:\d+)/wxa_default/authorisation", process.stderr.readline())
            assert found is not None
            assert process.stderr.readline() == f"{found[1]}/wxa_default/message/$APPID$\n"
            # Refused alike; which of them is known stands in its own log.
            for wxa_conn_id in ("wxa_default", "other"):
                assert httpx.post(f"{found[1]}/{wxa_conn_id}/authorisation", trust_env=False).status_code == 403
        finally:
            process.send_signal(signal.SIGTERM)
    refused = re.findall(r"push refused: (.*?\))", log.read_text())
    assert refused == ["malformed (Connection wxa_default, 1 so far)", "connection (Connection unknown, 1 so far)"]


def test_a_connection_that_takes_no_pushes_is_named(environment: Mapping[str, str]) -> None:
    ended = subprocess.run(
        [*COMMAND, "--conn-id", "wxa_default", "nobody"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "the Connection 'nobody' takes no pushes" in ended.stderr
    assert "'wxa_default'" not in ended.stderr


def test_a_store_that_cannot_be_right_is_said(environment: Mapping[str, str]) -> None:
    wrong = {"AIRFLOW__WXA__SQL_ALCHEMY_CONN": "mysql://host/db"}
    ended = subprocess.run(COMMAND, env={**environment, **wrong}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "the store cannot be opened" in ended.stderr


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /wxa_default/auth", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"],
)
def test_a_connection_that_brings_no_request_is_dropped(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_IDLE_SECONDS", 0.1)
    app = create_receiver(PushConnections([]))
    with (
        served(app, http=serving.ImpatientProtocol, timeout_keep_alive=60) as url,
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as connection,
    ):
        connection.sendall(sent)
        while connection.recv(4096):
            pass


def test_a_request_that_takes_longer_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_IDLE_SECONDS", 0.05)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    with served(slow, http=serving.ImpatientProtocol) as url:
        assert httpx.get(url, trust_env=False).content == b"done"

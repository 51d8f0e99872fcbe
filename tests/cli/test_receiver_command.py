"""``airflow-wxa receiver``: it says what it serves, and does not start with what cannot be right."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.fernet import Fernet

from airflow_wxa.cli.main import parser
from airflow_wxa.sandbox.testing import COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN

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

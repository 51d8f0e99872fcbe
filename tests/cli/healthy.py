"""A healthy set-up on the sandbox: platform credentials, a ticket, a store with one merchant."""

import argparse
import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from airflow.cli.cli_parser import _add_command
from airflow.sdk import Connection
from cryptography.fernet import Fernet

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.audit import queryquota
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.airflow_group import get_wxa_cli_commands
from airflow_wxa.cli.doctor.facts import Facts
from airflow_wxa.cli.doctor.rules import Report, judge
from airflow_wxa.cli.main import main
from airflow_wxa.client import Egress
from airflow_wxa.hooks.connection import _platform
from airflow_wxa.sandbox import RunningSandbox, World
from airflow_wxa.sandbox.testing import (
    APPID,
    COMPONENT_APPID,
    COMPONENT_APPSECRET,
    COMPONENT_VERIFY_TICKET,
    ENCODING_AES_KEY,
    PUSH_TOKEN,
    REFRESH_TOKEN,
)
from airflow_wxa.store import Store


@dataclass
class SetUp:
    """What a user has set up; a test spoils one part of it.

    :param appids: Mini Programs that the doctor is asked about.
    """

    running: RunningSandbox
    file: Path
    monkeypatch: pytest.MonkeyPatch
    store_url: str
    login: str = COMPONENT_APPID
    password: str = COMPONENT_APPSECRET
    host: str = ""
    conn_type: str = "wxa"
    raw_extra: str = ""
    extra: dict[str, Any] = field(
        default_factory=lambda: {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY, "timeout": 5}
    )
    keys: list[str] = field(default_factory=lambda: [Fernet.generate_key().decode()])
    appids: list[str] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.running.world

    @property
    def connection(self) -> Connection:
        return Connection(
            conn_id="wxa_default",
            conn_type=self.conn_type,
            host=self.host or self.running.url,
            login=self.login,
            password=self.password,
            extra=self.raw_extra or json.dumps(self.extra),
        )

    @property
    def platform(self) -> PlatformCredentials:
        """Other credentials than the doctor's: those of a worker."""
        egress = Egress(self.running.url, 5)
        return PlatformCredentials(self.login, Secret(self.password), self.open_store(), egress)

    def work(self) -> None:
        """Let a worker fetch both tokens, which are in the store then."""
        worker = self.platform
        worker.client.send(queryquota(APPID))
        worker.client.close()

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, values)

    def open_store(self) -> Store:
        return Store(self.store_url, self.keys)

    def report(self) -> Report:
        with closing(Facts(self.connection, self.open_store, self.appids)) as facts:
            return judge(facts)


def not_looked_at(report: Report) -> dict[str, str]:
    return {each.key: reason for each, reason in report.not_looked_at.items()}


@pytest.fixture
def set_up(wxa_sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Return a set-up in which nothing is wrong: one merchant that granted the sets 18 and 30."""
    set_up = SetUp(wxa_sandbox, tmp_path / "wxa.db", monkeypatch, f"sqlite:///{tmp_path / 'wxa.db'}")
    monkeypatch.setenv("AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES", "colour, encoding_aes_key")
    wxa_sandbox.world.mini_programs[0].granted_sets = {18, 30}
    store = set_up.open_store()
    store.put_renewals(COMPONENT_APPID, {"": Secret(COMPONENT_VERIFY_TICKET), APPID: Secret(REFRESH_TOKEN)})
    return set_up


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def says(self, *parts: str, code: int = 0) -> None:
        """Assert how it ended, and that these parts were printed: a result on standard output or a remark beside it."""
        said = self.out + self.err
        assert (self.code, [part for part in parts if part not in said]) == (code, []), said

    def refuses(self, *parts: str) -> None:
        """Assert that it ended with exit code 1 and these parts, no result and no traceback."""
        assert self.out == ""
        self.says(*parts, code=1)
        self.hides("Traceback")

    def hides(self, *secrets: str) -> None:
        """Assert that none of these was printed."""
        assert [secret for secret in secrets if secret in self.out + self.err] == []


Command: TypeAlias = "Callable[..., Ended]"


def airflows_parser() -> argparse.ArgumentParser:
    """Return Airflow's parser with the group ``wxa`` alone."""
    parser = argparse.ArgumentParser(prog="airflow")
    choices = parser.add_subparsers(required=True)
    for each in get_wxa_cli_commands():
        _add_command(choices, each)
    return parser


def _of_airflow(words: Sequence[str]) -> int:
    """Run a command that only Airflow's program has."""
    arguments = airflows_parser().parse_args(["wxa", *words])
    code: int | None = arguments.func(arguments)
    return code or 0


@pytest.fixture
def command(set_up: SetUp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Return what runs a command of ours on the set-up: its words, and what stands on its standard input."""
    connection = set_up.connection
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection.as_json())
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", set_up.store_url)
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", ",".join(set_up.keys))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "test")  # Airflow's own database is not asked
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str, stdin: str | bytes = "") -> Ended:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        try:
            code: Any = _of_airflow(words) if words[0] in {"db", "fleet"} else main(words)
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    yield run
    _platform.cache_clear()  # a port may come back, with another world behind it

"""A receiver on a store of its own, for Connections that stand in the test."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from airflow.sdk import Connection
from cryptography.fernet import Fernet
from fastapi import FastAPI

from airflow_wxa.api.push import Envelope, PushKeys
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.demo.airflow import connection_of
from airflow_wxa.hooks.connection import read_connection
from airflow_wxa.plugins import receiver as receiver_module
from airflow_wxa.plugins.connections import PushConnection, PushConnections
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.store import Store
from tests.sealing import sealed

NOW = 1_488_856_741
KEYS = PushKeys(COMPONENT_APPID, Secret(PUSH_TOKEN), Secret(ENCODING_AES_KEY))


def xml(**fields: object) -> str:
    return "<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + "</xml>"


def ticket(value: str = "ticket@@@1", at: int = NOW) -> str:
    return xml(AppId=COMPONENT_APPID, CreateTime=at, InfoType="component_verify_ticket", ComponentVerifyTicket=value)


def query(envelope: Envelope) -> dict[str, str]:
    signed = {name: getattr(envelope, name) for name in ("timestamp", "nonce", "msg_signature")}
    return signed | {"encrypt_type": "aes"}


def connection(host: str = "", **extra: str) -> str:
    """Return the Connection of the sandbox's platform, with what pushes need, as JSON; without a host: no more."""
    fields = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY} | extra
    return connection_of(host, COMPONENT_APPID, COMPONENT_APPSECRET if host else "", **fields)


def push_connection() -> PushConnection:
    return PushConnection(KEYS, read_connection(Connection.from_json(connection(), conn_id="wxa_default")))


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver in this process, at the time ``NOW``, for the Connection ``wxa_default``."""

    store: Store
    app: FastAPI

    def request(self, *asked: Any) -> httpx.Response:
        return asyncio.run(self.arequest(*asked))

    async def arequest(
        self, method: str, path: str, content: bytes | AsyncIterator[bytes] = b"", query: Mapping[str, str] = {}
    ) -> httpx.Response:
        """Return the answer; what is done afterwards is done by then."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            return await client.request(method, path, content=content, params=query)

    def send(self, path: str, text: str, *, keys: PushKeys = KEYS, timestamp: int = NOW) -> httpx.Response:
        envelope = sealed(keys, text, timestamp=timestamp)
        return self.request("POST", path, envelope.body, query(envelope))

    def event(self, text: str, **changes: Any) -> httpx.Response:
        return self.send("/wxa_default/authorisation", text, **changes)

    @property
    def refused(self) -> Mapping[tuple[str, str], int]:
        counts: Mapping[tuple[str, str], int] = self.app.state.refusals.counts
        return counts

    @property
    def ticket(self) -> str | None:
        seen = self.store.platform(COMPONENT_APPID)
        return seen.renewal.reveal() if seen is not None and seen.renewal is not None else None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'wxa.db'}", [Fernet.generate_key().decode()])


def receiver_on(
    store: Store,
    found: PushConnection | None = None,
    *,
    read: Callable[[str], PushConnection | None] | None = None,
    open_store: Callable[[], Store] | None = None,
) -> Receiver:
    """Return a receiver for one Connection: found, or read by a function."""
    connections = PushConnections(["wxa_default"], read or {"wxa_default": found or push_connection()}.get)
    return Receiver(store, create_receiver(connections, open_store=open_store or (lambda: store), clock=lambda: NOW))


@pytest.fixture
def receiver(store: Store, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    monkeypatch.setattr(receiver_module, "_REFUSED_SECONDS", 0)
    return receiver_on(store)


@contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Serve an app on a free port while the block runs, and give its URL."""
    quiet = {"port": 0, "log_config": None, "access_log": False, "lifespan": "off", "ws": "none"}
    server = uvicorn.Server(uvicorn.Config(app, **(quiet | options)))
    thread = threading.Thread(target=server.run, name="receiver")
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()

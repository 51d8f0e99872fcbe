"""``airflow-wxa receiver``: the push receiver alone, for sites whose API server must not face the internet."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_wxa.cli.serving import bound, serve, trusted_proxies
from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.hooks.store import open_store
from airflow_wxa.plugins.connections import PushConnections, read_push_connection
from airflow_wxa.plugins.receiver import create_receiver

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Collection


def run(arguments: argparse.Namespace) -> int:
    """Serve ``arguments.conn_id`` on ``arguments.host`` and ``arguments.port`` until Ctrl-C.

    :return: 0, or 1 when a Connection takes no pushes, the store cannot be right, or the address cannot be bound.
    """
    console = Terminal(stderr=True)
    # As Airflow's own commands do: only so are Connections looked up in its database, besides environment and backend.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    if problems := _problems(arguments.conn_id):
        console.print("\n".join(problems), style="red", markup=False, highlight=False)
        return 1
    try:
        listener = bound(arguments.host, arguments.port)
    except OSError as error:
        console.print(
            f"cannot listen on {arguments.host}, port {arguments.port}: {error}\nchoose another one with --port, "
            "0 for a free one",
            style="red",
            markup=False,
        )
        return 1
    with listener, suppress(KeyboardInterrupt):
        _introduce(console, arguments.conn_id, listener)
        serve(create_receiver(PushConnections(arguments.conn_id)), listener)
    return 0


def _problems(wxa_conn_ids: Collection[str]) -> list[str]:
    """Return what cannot be right; a store that does not answer may yet come up, and pushes wait for it."""
    problems = [
        f"the Connection {wxa_conn_id!r} takes no pushes: it must exist, be of type wxa, and hold login, "
        "extra push_token and extra encoding_aes_key"
        for wxa_conn_id in wxa_conn_ids
        if not _takes_pushes(wxa_conn_id)
    ]
    try:
        trusted_proxies()
        open_store()
    except WxaSpecError as error:
        problems.append(str(error))
    except WxaTransportError as error:
        logging.getLogger(__name__).warning("%s", error)
    return problems


def _takes_pushes(wxa_conn_id: str) -> bool:
    try:
        return read_push_connection(wxa_conn_id) is not None
    except WxaTransportError:
        return False


def _introduce(console: Terminal, wxa_conn_ids: Collection[str], listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    for wxa_conn_id in wxa_conn_ids:
        lines = (f"{url}/{wxa_conn_id}/authorisation", f"{url}/{wxa_conn_id}/message/$APPID$")
        console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)

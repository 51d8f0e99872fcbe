"""``airflow-wxa receiver``: the push receiver alone, for sites whose API server must not face the internet."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_wxa.cli.serving import bound, serve, trusted_proxies, url_of
from airflow_wxa.cli.terminal import say
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.hooks.store import open_store
from airflow_wxa.plugins.connections import PushConnections, read_push_connection
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection


def run(arguments: argparse.Namespace) -> int:
    """Serve ``arguments.conn_id`` on ``arguments.host`` and ``arguments.port`` until Ctrl-C."""
    # As Airflow's own commands do: only so are Connections looked up in its database, besides environment and backend.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    if problems := _problems(arguments.conn_id):
        raise WxaSpecError(Text("receiver_cannot_start"), problems)
    with bound(arguments.host, arguments.port) as listener, suppress(KeyboardInterrupt):
        for wxa_conn_id in arguments.conn_id:
            url = f"{url_of(listener)}/{wxa_conn_id}"
            say(f"{url}/authorisation\n{url}/message/$APPID$")
        serve(create_receiver(PushConnections(arguments.conn_id)), listener)
    return 0


def _problems(wxa_conn_ids: Collection[str]) -> list[str]:
    """Return what cannot be right; a store that does not answer may yet come up, and pushes wait for it."""
    refused = (repr(each) for each in wxa_conn_ids if not _takes_pushes(each))
    problems: list[str] = [Text("connection_takes_no_pushes", wxa_conn_id=each) for each in refused]
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

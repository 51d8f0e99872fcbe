"""Open the store that Airflow's configuration names: section ``[wxa]``, else a SQLite file in AIRFLOW_HOME."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from airflow.sdk.configuration import conf

from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.store import Ledger, Store
from airflow_wxa.store.fleets import Fleets
from airflow_wxa.texts import Text

_ON_ONE_MACHINE: Final = frozenset({"LocalExecutor"})


def open_store() -> Store:
    """Return the store.

    :raises WxaSpecError: SQLite although the executor spans machines; or URL or keys cannot be right.
    :raises WxaTransportError: the database does not answer.
    """
    return Store(Secret(store_url()), _keys())


def open_ledger() -> Ledger:
    """Return the ledger, which rests in the store's database; raises as :func:`open_store` does."""
    return Ledger(Secret(store_url()))


def open_fleets() -> Fleets:
    """Return the fleets, which rest in the store's database; raises as :func:`open_store` does."""
    return Fleets(Secret(store_url()))


def store_problems() -> list[str]:
    """Return why the store cannot be opened: a release needs it for its ledger, also with fixed tokens.

    :raises WxaTransportError: it does not answer, or waits for ``airflow wxa db migrate``.
    """
    try:
        open_ledger()
    except WxaSpecError as error:
        return list(error.problems)
    return []


def store_url() -> str:
    """Return the store's URL, as ``[wxa] sql_alchemy_conn`` says.

    :raises WxaSpecError: it says nothing or names a SQLite file, and the executor spans machines; or it says nothing in
        a Kubernetes pod, whose files are its own whatever ``[core] executor`` says there.
    """
    url: str = (conf.get("wxa", "sql_alchemy_conn", fallback="") or "").strip()  # …_CMD brings a line break along
    if url and not url.startswith("sqlite"):
        return url
    executors = conf.get("core", "executor", fallback="LocalExecutor")
    # As in "LocalExecutor,alias:path.of.One;team=CeleryExecutor": what all teams use, then what one has of its own.
    names = [name.rpartition("=")[2].strip() for name in re.split("[,;]", executors)]
    spanning = [name for name in names if name and re.split("[:.]", name)[-1] not in _ON_ONE_MACHINE]
    if spanning:
        raise _no_file(Text("executor_spans_machines", executors=executors, spanning=", ".join(spanning)))
    if not url and os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise _no_file(Text("pod_files_are_lost"))
    if url:
        return url
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser().resolve()
    return f"sqlite:///{home / 'wxa.db'}"


def _no_file(problem: str) -> WxaSpecError:
    return WxaSpecError(Text("store_cannot_be_sqlite"), [problem])


def _keys() -> list[Secret]:
    keys: str = conf.get("wxa", "encryption_keys", fallback="") or conf.get("core", "fernet_key", fallback="") or ""
    return [Secret(key.strip()) for key in keys.split(",") if key.strip()]

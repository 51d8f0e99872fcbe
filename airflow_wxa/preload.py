"""Import once what every task imports, before Airflow forks the task's process: ``[wxa] preload``.

Airflow loads this module as an ``airflow.policy`` entry point; none of its other extension points is reached in time.
A process that forks neither tasks nor parsers imports nothing more, and an import that fails stops no process: the DAG
file that needs it tells why.
"""

from __future__ import annotations

import logging
import pkgutil
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from airflow.configuration import conf

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

_FORKING_COMMANDS: Final = frozenset({"scheduler", "dag-processor", "celery"})
#: Besides the DAGs: modules that tasks import where they need them.
_LATE: Final = ("airflow_wxa.client.connections", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql")


def preload(arguments: Sequence[str]) -> None:
    """Import the DAGs and their operators, if this process forks others unless the configuration forbids it.

    :param arguments: the command line.
    """
    if _FORKING_COMMANDS.isdisjoint(arguments[1:2]) or not conf.getboolean("wxa", "preload", fallback=True):
        return
    try:
        folder = import_module("airflow_wxa.dags")
        for name in (*(each.name for each in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}.")), *_LATE):
            import_module(name)
        # Once: texts, help pages, signatures, checkers of params, and modules that Airflow imports where a DAG needs
        # them, are inherited as well.
        import_module("airflow_wxa.dags.wxa_release").release_dag(default_args={"retries": 2}).params.dump()
    except Exception as error:  # noqa: BLE001  (a scheduler must start whatever is wrong with one package)
        log.warning("[wxa] preload: not everything was imported, tasks import it themselves: %s", type(error).__name__)


preload(sys.argv)

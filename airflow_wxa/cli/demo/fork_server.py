"""A process that imports Airflow once and forks its components: each import of its own costs two CPU seconds.

``python -m airflow_wxa.cli.demo.fork_server FD`` takes commands from a connection of :mod:`multiprocessing`, see
:class:`~airflow_wxa.cli.demo.processes.ForkServer`. A forked component is the one that
``python -m airflow …`` starts: arguments, session, output and exit code are its own.
"""

from __future__ import annotations

import atexit
import gc
import os
import runpy
import signal
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Final, NoReturn

from airflow_wxa.cli.demo.processes import LOOK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    Message = tuple[int, int | None]

_END: Final = (signal.SIGTERM,)
READY: Final[Message] = (0, None)
#: Modules by the component that needs them first; those of the next are imported while it begins.
_DATABASE: Final = ("airflow.__main__", "airflow.cli.commands.db_command", "airflow.models.dagrun")
_API_SERVER: Final = (
    "airflow.cli.commands.api_server_command",
    "airflow.api_fastapi.core_api.routes.public",
    "airflow.api_fastapi.core_api.routes.ui",
    "airflow.api_fastapi.execution_api.routes",
)
_OTHERS: Final = (
    "airflow.cli.commands.dag_processor_command",
    "airflow.cli.commands.scheduler_command",
    "airflow.cli.commands.triggerer_command",
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.task_runner",
)
#: Objects between two looks for garbage. Airflow makes many that stay: by default looking is a quarter of its start.
_GARBAGE_THRESHOLD: Final = 50_000


def main() -> int:
    """Fork what the connection asks for, until it is told to end and all that was forked has ended."""
    connection, running = Connection(int(sys.argv[1])), set[int]()
    sys.argv = ["airflow", "scheduler"]  # the command for which [wxa] preload imports what every task needs
    gc.set_threshold(_GARBAGE_THRESHOLD)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it was ignored, no exit code is told
    asked = None
    try:
        asked = _serve(connection, running)
    except (EOFError, OSError):  # the demo was killed: nobody else ends them
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    if asked is not None:
        _component(*asked)
    return 0


def _serve(connection: Connection, running: set[int]) -> tuple[Sequence[str], Path] | None:
    """Fork for each request, and return it in the fork; else return when all is over.

    :param running: takes in what was forked and has not ended.
    """
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _: ending.append(signum))
    _import(_DATABASE)
    coming = iter((_API_SERVER, _OTHERS))
    connection.send(READY)
    while running or not ending:
        if connection.poll(LOOK_SECONDS):
            asked: tuple[Sequence[str], Path] = connection.recv()
            signal.pthread_sigmask(signal.SIG_BLOCK, _END)  # a fork that is ended at once must not miss it
            if (pid := os.fork()) == 0:
                connection.close()
                return asked
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
            running.add(pid)
            connection.send((pid, None))
            _import(next(coming, ()))
            connection.send(READY)
        while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            running.remove(ended[0])
            connection.send((ended[0], os.waitstatus_to_exitcode(ended[1])))
    return None


def _import(names: Iterable[str]) -> None:
    """Import modules; the component tells of one that cannot be."""
    for name in names:
        with suppress(Exception, SystemExit):
            import_module(name)
    gc.freeze()  # none of them goes


def _component(arguments: Sequence[str], output: Path) -> NoReturn:
    os.setsid()
    sys.stdout.flush()
    with output.open("wb") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
    sys.argv = ["airflow", *arguments]
    try:
        runpy.run_module("airflow", run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    os._exit(0)  # to take so large an interpreter apart costs a CPU second, and nothing is in it


if __name__ == "__main__":
    sys.exit(main())

"""``airflow-wxa``: the parser, and the way from a subcommand to its module."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from airflow_wxa import __version__
from airflow_wxa.cli.connected import COMMANDS, add_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LOOPBACK: Final = "127.0.0.1"
SANDBOX_PORT: Final = 8099
RECEIVER_PORT: Final = 8098
LAST_PORT: Final = 65535
INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C

#: Subcommand → module; imported when it is used, so that ``errcode`` answers at once.
MODULES: Final[Mapping[str, str]] = {
    "demo": "airflow_wxa.cli.demo.command",
    "sandbox": "airflow_wxa.cli.sandbox",
    "errcode": "airflow_wxa.cli.errcode",
    "docs": "airflow_wxa.cli.docs",
    "receiver": "airflow_wxa.cli.receiver",
    **{command.name: command.module for command in COMMANDS},
}


class CommandModule(Protocol):
    """What a subcommand's module offers."""

    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    :param argv: the words after the program's name; default: those of this process.
    :return: the exit code.
    :raises SystemExit: argparse refuses the words (2), or was asked for help or the version (0).
    """
    arguments = parser().parse_args(argv)
    try:
        module = cast("CommandModule", import_module(MODULES[arguments.command]))
        return module.run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="airflow-wxa", description="Release WeChat Mini Programs from Apache Airflow: try it, and look things up."
    )
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_sandbox(commands)
    _add_errcode(commands)
    _add_docs(commands)
    _add_receiver(commands)
    for command in COMMANDS:
        add_command(commands, command)
    return whole


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = (
        "Start an emulated WeChat and a real Airflow, release six Mini Programs, and show how each ended. "
        "Exit code 0: all as they must; 1: not so. Nothing is left behind."
    )
    demo = commands.add_parser("demo", help="release six Mini Programs on a real Airflow", description=about)
    demo.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as JSON")
    demo.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        help="AIRFLOW_HOME, empty or absent: it is kept for a look (default: a temporary one)",
    )
    demo.add_argument("--debug", action="store_true", help="let Airflow log at DEBUG level")
    demo.add_argument(
        "--port", type=port, default=0, metavar="N", help="port of Airflow's user interface (default: a free one)"
    )


def _add_sandbox(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Serve an emulated WeChat until Ctrl-C; nothing ever reaches the real one."
    sandbox = commands.add_parser("sandbox", help="serve an emulated WeChat", description=about)
    sandbox.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    sandbox.add_argument(
        "--port",
        type=port,
        default=SANDBOX_PORT,
        metavar="N",
        help="port to listen on, 0 for a free one (default: %(default)s)",
    )
    sandbox.add_argument(
        "--world",
        type=Path,
        metavar="FILE",
        help="JSON of the platforms, Mini Programs and templates, as GET /_sandbox/world shows it, with tokens added",
    )


def _add_errcode(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Say what an errcode of WeChat means, who acts, and what to do next, in English and Chinese."
    errcode = commands.add_parser("errcode", help="explain errcodes of WeChat", description=about)
    errcode.add_argument("codes", type=int, nargs="+", metavar="CODE", help="such as 89020, or -1")


def _add_docs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Print a page of the documentation; without a name, list the pages."
    docs = commands.add_parser("docs", help="print the documentation", description=about)
    docs.add_argument("page", nargs="?", metavar="PAGE", help="such as rescue")


def _add_receiver(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = (
        "Take WeChat's pushes until Ctrl-C, as the receiver in Airflow's API server does: for where that server must "
        "not face the internet. TLS is the reverse proxy's."
    )
    receiver = commands.add_parser(
        "receiver", help="take WeChat's pushes, without Airflow's API server", description=about
    )
    receiver.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    receiver.add_argument(
        "--port",
        type=port,
        default=RECEIVER_PORT,
        metavar="N",
        help="port to listen on, 0 for a free one (default: %(default)s)",
    )
    receiver.add_argument(
        "--conn-id",
        nargs="+",
        default=["wxa_default"],
        metavar="ID",
        help="Connections that pushes are taken for (default: wxa_default)",
    )


def port(text: str) -> int:
    """Read a port.

    :raises argparse.ArgumentTypeError: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to {LAST_PORT}")
    return int(text)

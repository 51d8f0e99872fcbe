"""``airflow-wxa``: the commands that need nothing of Airflow's configuration; the others are ``airflow wxa …``."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow_wxa import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOPBACK: Final = "127.0.0.1"
_SANDBOX_PORT, _RECEIVER_PORT, _LAST_PORT = 8099, 8098, 65535
_MOST_OF_A_FLEET: Final = 20_000
_INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C

#: Subcommand → function, in a module that is imported when it is used, so that ``errcode`` answers at once.
FUNCTIONS: Final[Mapping[str, str]] = {
    "demo": "demo.command.run",
    "sandbox": "sandbox.run",
    "receiver": "receiver.run",
    "errcode": "lookup.errcode",
    "docs": "lookup.docs",
}
#: Those of ``airflow wxa``, accepted here as well.
UNLISTED: Final = frozenset({"doctor", "accounts", "authorise", "ticket", "rotate-keys", "ledger"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    :param argv: the words after the program's name; default: those of this process.
    :return: the exit code.
    :raises SystemExit: argparse refuses the words (2), or was asked for help or the version (0); a command of
        ``airflow wxa`` ended with another code than 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] and words[0] in UNLISTED:
            _run_airflows(words)
            return 0
        arguments = parser().parse_args(words)
        module, _, function = f"airflow_wxa.cli.{FUNCTIONS[arguments.command]}".rpartition(".")
        code: int = getattr(import_module(module), function)(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _run_airflows(words: Sequence[str]) -> None:
    """Run a command of ``airflow wxa`` as Airflow would."""
    from airflow_wxa.cli.airflow_group import WXA_COMMANDS  # noqa: PLC0415  (importing Airflow takes seconds)

    (command,) = [each for each in WXA_COMMANDS if each.name == words[0]]
    its = argparse.ArgumentParser(prog=f"airflow wxa {command.name}", description=command.description)
    for each in command.args:
        each.add_to_parser(its)
    command.func(its.parse_args(words[1:]))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the listed commands."""
    whole = argparse.ArgumentParser(
        prog="airflow-wxa",
        description="Release WeChat Mini Programs from Apache Airflow: try it, and look things up.",
        epilog="What works on a Connection is a command of Airflow: airflow wxa --help.",
    )
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="release six Mini Programs on a real Airflow",
        description="Start an emulated WeChat and a real Airflow, release six Mini Programs, and show how each ended. "
        "Exit code 0: all as they must; 1: not so. Nothing is left behind.",
    )
    demo.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as JSON")
    demo.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        help="AIRFLOW_HOME, empty or absent: it is kept for a look (default: a temporary one)",
    )
    demo.add_argument(
        "--keep",
        action="store_true",
        help="leave both up until Ctrl-C: one release waits at its approval, one was rejected, one met 89021",
    )
    demo.add_argument(
        "--fleet",
        type=_count,
        default=0,
        metavar="N",
        help="release N Mini Programs by one manifest instead: some are individuals', unauthorised, rejected or lose "
        "an answer, and each must end so",
    )
    demo.add_argument("--debug", action="store_true", help="let Airflow log at DEBUG level")
    demo.add_argument(
        "--port", type=_port, default=0, metavar="N", help="port of Airflow's user interface (default: a free one)"
    )
    sandbox = commands.add_parser(
        "sandbox",
        help="serve an emulated WeChat",
        description="Serve an emulated WeChat until Ctrl-C; nothing ever reaches the real one.",
    )
    sandbox.add_argument(
        "--world",
        type=Path,
        metavar="FILE",
        help="JSON of the platforms, Mini Programs and templates, as GET /_sandbox/world shows it, with tokens added",
    )
    receiver = commands.add_parser(
        "receiver",
        help="take WeChat's pushes, without Airflow's API server",
        description="Take WeChat's pushes until Ctrl-C, as the receiver in Airflow's API server does: for where that "
        "server must not face the internet. TLS is the reverse proxy's.",
    )
    receiver.add_argument(
        "--conn-id",
        nargs="+",
        default=["wxa_default"],
        metavar="ID",
        help="Connections that pushes are taken for (default: wxa_default)",
    )
    for server, port in ((sandbox, _SANDBOX_PORT), (receiver, _RECEIVER_PORT)):
        server.add_argument("--host", default=_LOOPBACK, help="address to listen on (default: %(default)s)")
        about = "port to listen on, 0 for a free one (default: %(default)s)"
        server.add_argument("--port", type=_port, default=port, metavar="N", help=about)
    errcode = commands.add_parser(
        "errcode",
        help="explain errcodes of WeChat",
        description="Say what an errcode of WeChat means, who acts, and what to do next, in English and Chinese.",
    )
    errcode.add_argument("codes", type=int, nargs="+", metavar="CODE", help="such as 89020, or -1")
    docs = commands.add_parser(
        "docs",
        help="print the documentation",
        description="Print a page of the documentation; without a name, list the pages.",
    )
    docs.add_argument("page", nargs="?", metavar="PAGE", help="such as rescue")
    return whole


def _count(text: str) -> int:
    """Read a number of Mini Programs.

    :raises argparse.ArgumentTypeError: it is none.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_OF_A_FLEET):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of Mini Programs: 1 to {_MOST_OF_A_FLEET}")
    return int(text)


def _port(text: str) -> int:
    """Read a port.

    :raises argparse.ArgumentTypeError: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to {_LAST_PORT}")
    return int(text)

"""The group ``airflow wxa``, as Airflow wants it declared.

Airflow imports this module for each of its commands, so it imports neither hooks nor operators.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Final

from airflow.cli.cli_config import ARG_OUTPUT, ActionCommand, Arg, GroupCommand, lazy_load_command, positive_int

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_wxa_cli_commands() -> list[CLICommand]:
    """Return the group ``wxa``."""
    about = "Release WeChat Mini Programs: credentials, merchants, the ledger, and what is wrong"
    about_fleet = "look at manifests and runs of many Mini Programs, and stop them"
    fleet = GroupCommand(name="fleet", help=about_fleet, subcommands=FLEET_COMMANDS)
    store = GroupCommand(name="db", help="the store's database", subcommands=DB_COMMANDS)
    return [GroupCommand(name="wxa", help=about, subcommands=(*WXA_COMMANDS, fleet, store))]


def _days(text: str) -> float:
    """Read a number of days."""
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: 0 or more")
    return days


def _arg(flag: str, about: str, **options: object) -> Arg:
    return Arg(flags=(flag,), help=about, **options)  # type: ignore[no-untyped-call]


def _switch(flag: str, about: str) -> Arg:
    return _arg(flag, about, action="store_true")


def _command(name: str, function: str, about: str, description: str, *args: Arg) -> ActionCommand:
    func = lazy_load_command(f"airflow_wxa.cli.{function}")
    return ActionCommand(name=name, help=about, description=description, func=func, args=args)


_CONNECTION: Final = _arg(
    "--wxa-conn-id", "id of the Connection (default: wxa_default)", metavar="ID", default="wxa_default"
)
_JSON: Final = _switch("--json", "the same as --output json")
_MANIFEST: Final = _arg("manifest", "YAML or JSON; a CSV file that it names stands beside it", metavar="FILE")
_RUN_ID: Final = _arg("run_id", "as the run's page shows it", metavar="RUN_ID")
_DAG_ID: Final = _arg("--dag-id", "where several DAGs have a run of this id", metavar="ID")

FLEET_COMMANDS: Final = (
    _command(
        "check",
        "fleet.check",
        "say whether a manifest can be used",
        "Read a manifest and report everything that is wrong with it, with file and line; nothing is sent.",
        _MANIFEST,
        _arg(
            "--shard-size",
            "Mini Programs in a shard (default: 200)",
            metavar="N",
            type=positive_int(allow_zero=False),  # type: ignore[no-untyped-call]
            default=200,
        ),
        _CONNECTION,
        ARG_OUTPUT,
        _JSON,
    ),
    _command(
        "plan",
        "fleet.plan",
        "say what would be done with each Mini Program of a manifest",
        "Read what WeChat has of each Mini Program and say what would be done, and why; nothing is written.",
        _MANIFEST,
        _switch("--all", "show all in a table, not only the first and unusual ones"),
        _CONNECTION,
        ARG_OUTPUT,
        _JSON,
    ),
    _command(
        "status",
        "fleet.status",
        "show what became of each Mini Program of a run",
        "Show how a run stands: by wave, by outcome and errcode, and what to look at first; as JSON or CSV, each Mini "
        "Program.",
        _RUN_ID,
        _DAG_ID,
        ARG_OUTPUT,
        _JSON,
        _arg("--csv", "write CSV to FILE; - is standard output", metavar="FILE"),
    ),
    _command(
        "stop",
        "fleet.stop",
        "stop a run: running calls finish, no new write starts",
        "Stop a run. Running calls finish, no new write starts; what was not reached says so.",
        _RUN_ID,
        _DAG_ID,
    ),
    _command(
        "rerun",
        "fleet.rerun",
        "print the manifest of what is unfinished in a run",
        "Print the manifest of what is unfinished, to trigger another run with.",
        _RUN_ID,
        _DAG_ID,
    ),
)

DB_COMMANDS: Final = (
    _command(
        "migrate",
        "ledger.migrate_store",
        "bring the store's schema up to date",
        "Create the store's schema, or add what this version of airflow-wxa needs; run it once, on any machine, before "
        "or after the package is upgraded. What waits goes on: an older version works with a newer schema, a newer one "
        "is retried until this has run.",
    ),
)

WXA_COMMANDS: Final = (
    _command(
        "doctor",
        "doctor.doctor",
        "say what is wrong with Connection, host, store, platform and merchants",
        "Look at everything a release depends on, and say what is wrong and how to mend it. It changes nothing at "
        "WeChat and spends no budget; tokens are fetched where they have run out. Exit code 0: nothing of level error.",
        _CONNECTION,
        _arg(
            "--appid",
            "a Mini Program to look at; may be repeated (default: three that the store or the Connection knows)",
            metavar="APPID",
            action="append",
            default=[],
        ),
        ARG_OUTPUT,
        _JSON,
    ),
    _command(
        "accounts",
        "credentials.accounts",
        "list the merchants of the platform, or import them",
        "List the merchants in the store: state, granted permission sets, age of their tokens; never a token.",
        _CONNECTION,
        _switch("--import-list", "first import every merchant and its refresh token from api_get_authorizer_list"),
        _arg(
            "--import-csv",
            "first import a CSV file with the columns appid and refresh_token, all of it or nothing; - is standard "
            "input",
            metavar="FILE",
        ),
        _switch("--read-granted", "first ask WeChat, merchant by merchant, what is granted (api_get_authorizer_info)"),
        ARG_OUTPUT,
        _JSON,
    ),
    _command(
        "authorise",
        "credentials.authorise",
        "print the link by which a merchant authorises the platform, or exchange its code",
        "With --redirect-uri: print a fresh authorisation link, good for about ten minutes. With --code: exchange the "
        "code that WeChat sent the merchant back with (auth_code), once, and store what it gives.",
        _CONNECTION,
        _arg("--appid", "the Mini Program that is expected", metavar="APPID", default=""),
        _arg(
            "--redirect-uri",
            "where WeChat sends the merchant back; its host must be the platform's authorisation domain",
            metavar="URL",
        ),
        _arg("--code", "the code; - is standard input, and keeps it out of the shell's history", metavar="CODE"),
    ),
    _command(
        "ticket",
        "credentials.ticket",
        "show the age of the component_verify_ticket, import one, or ask WeChat for pushes",
        "Show how old the stored component_verify_ticket is; WeChat pushes one about every ten minutes, it lives 12 h.",
        _CONNECTION,
        _switch("--restart", "ask WeChat to push tickets again (api_start_push_ticket)"),
        _arg(
            "--import",
            "import a ticket from a file, or without one from standard input; never as an argument, which others "
            "could read",
            # Airflow's Arg knows no const: without a file the value is None, without the flag it is "".
            metavar="FILE",
            dest="import_from",
            nargs="?",
            default="",
        ),
    ),
    _command(
        "rotate-keys",
        "credentials.rotate_keys",
        "encrypt all secrets in the store with the newest key",
        "Encrypt every secret in the store with the first of encryption_keys in section wxa; run it after a key was "
        "put in front, and take the old one out afterwards.",
        _CONNECTION,
    ),
    _command(
        "ledger",
        "ledger.ledger",
        "show, export or erase what was written to WeChat: who, when, in which run, with which result",
        "Show the ledger: a row for each write to WeChat and each decision about a release, the newest first. It is "
        "one for all Connections, in the store.",
        _arg("--appid", "only this Mini Program", metavar="APPID"),
        _arg("--run-id", "only this run", metavar="ID"),
        _arg("--component-appid", "only this platform", metavar="APPID"),
        _arg(
            "--most",
            "how many rows (default: 50 in a table, else all)",
            metavar="N",
            type=positive_int(allow_zero=False),  # type: ignore[no-untyped-call]
        ),
        ARG_OUTPUT,
        _JSON,
        _arg("--csv", "write CSV to FILE; - is standard output", metavar="FILE"),
        _switch("--erase", "erase rows and outcomes: those of --appid, those --older-than so many days, or both"),
        _arg("--older-than", "with --erase: age in days", metavar="DAYS", type=_days),
        _switch("--yes", "with --erase: do not ask"),
    ),
)

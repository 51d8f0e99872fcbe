"""``airflow wxa accounts``, ``authorise``, ``ticket``, ``rotate-keys``: the credentials of platform and merchants."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from rich.progress import Progress

from airflow_wxa.api.authorisation import (
    RELEASE_PERMISSION_SET,
    api_get_authorizer_info,
    api_start_push_ticket,
    read_granted,
)
from airflow_wxa.api.errcodes import ACCOUNT_NOT_AUTHORIZED
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import APPID, THE_PLATFORM
from airflow_wxa.cli.opening import (
    STDIN,
    TICKET_SECONDS,
    check_appids,
    command,
    in_words,
    is_structured,
    open_platform,
    print_rows,
    read_secret,
    read_text,
    say,
)
from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.errors import WxaPermissionError, WxaSpecError
from airflow_wxa.hooks.store import open_store
from airflow_wxa.steps.authorisation import exchange_code, list_refresh_tokens, new_authorisation_link
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from airflow_wxa.access import PlatformCredentials
    from airflow_wxa.store import Credential

_COLUMNS: Final = ("appid", "refresh_token")
_PROBLEMS_SHOWN: Final = 20  # a file with the wrong separator has as many as lines


@command
def accounts(arguments: argparse.Namespace) -> int:
    """Import what is to be imported, then list the merchants."""
    platform, _ = open_platform(arguments.wxa_conn_id)
    if arguments.import_csv:
        merchants = read_merchants(read_text(arguments.import_csv))
        platform.store.put_renewals(platform.component_appid, merchants)
        say(f"imported: {len(merchants)} merchants")
    if arguments.import_list:
        say(import_list(platform))
    if arguments.read_granted:
        say(f"{_note_granted(platform)} merchants have withdrawn")
    rows = platform.store.merchants(platform.component_appid).values()
    if is_structured(arguments.output):
        print_rows([_as_json(row) for row in rows], arguments.output)
    elif rows:
        print_rows([_as_text(row) for row in rows], arguments.output)
        number = sum(row.state == "authorised" for row in rows)
        say(f"{platform.component_appid}: {len(rows)} merchants, {number} authorised")
    else:
        say(f"{platform.component_appid} has no merchant in the store: --import-list takes them over from WeChat.")
    return 0


def read_merchants(text: str) -> dict[str, Secret]:
    """Return refresh tokens by appid. Problems name lines and never a value: a column may hold another's tokens.

    :param text: a header that names at least the two columns, then a merchant a line; other columns are ignored.
    :raises WxaSpecError: every problem of the file, by line.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise _csv_refused([f"line 1: no column {name}" for name in missing])
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise _csv_refused([f"line {reader.line_num}: {error}"]) from None
    problems = [] if rows else ["there is no merchant in it"]
    found: dict[str, Secret] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        appid = row["appid"] or ""
        problems += [f"line {line}: {problem}" for problem in _row_problems(row)]
        if lines.setdefault(appid, line) != line and APPID.fullmatch(appid):
            problems.append(f"line {line}: the same appid as in line {lines[appid]}")
        found.setdefault(appid, Secret(row["refresh_token"] or ""))
    if problems:
        raise _csv_refused(problems)
    return found


def _row_problems(row: Mapping[str, str | None]) -> list[str]:
    appid, token = row["appid"] or "", row["refresh_token"] or ""
    if APPID.fullmatch(token) and not APPID.fullmatch(appid):
        return ["refresh_token is an appid: the columns are swapped"]
    problems = []
    if not APPID.fullmatch(appid):
        problems.append("appid is not wx and 16 hex digits in lower case" if appid else "appid is empty")
    if not token:
        problems.append("refresh_token is empty")
    elif len(token.split()) != 1 or token != token.strip():
        problems.append("refresh_token holds blanks or line breaks")
    if "" in row:
        problems.append("there are more cells than columns")
    return problems


def _csv_refused(problems: list[str]) -> WxaSpecError:
    rest = len(problems) - _PROBLEMS_SHOWN
    return WxaSpecError(
        Text("csv_file_is_refused", columns=",".join(_COLUMNS)),
        problems[:_PROBLEMS_SHOWN] + ([f"and {rest} more"] if rest > 0 else []),
    )


def import_list(platform: PlatformCredentials) -> str:
    """Store what ``api_get_authorizer_list`` tells, and say what that changed.

    A row that changes meanwhile keeps its newer value.
    """
    known = platform.store.merchants(platform.component_appid)
    listed = platform.client.run(list_refresh_tokens(platform.component_appid))
    new = platform.store.adopt_renewals(
        platform.component_appid, {appid: token for appid, token in listed.items() if appid not in known}
    )
    other = [(row, listed[appid]) for appid, row in known.items() if appid in listed and row.renewal != listed[appid]]
    changed = sum(platform.store.store_renewal(row, token) is not None for row, token in other)
    unlisted = len(known.keys() - listed.keys())
    rest = f"; {unlisted} in the store are not on WeChat's list" if unlisted else ""
    return f"imported: {new} new, {changed} changed, {len(listed) - new - changed} as they were{rest}"


def _note_granted(platform: PlatformCredentials) -> int:
    """Ask what each merchant granted, and note it; returns how many have withdrawn."""
    withdrawn = 0
    with Progress(console=Terminal(stderr=True), transient=True) as progress:
        appids = [*platform.store.merchants(platform.component_appid)]
        for appid in progress.track(appids, description="asking what is granted"):
            try:
                answer = platform.client.send(api_get_authorizer_info(platform.component_appid, appid)).answer
            except WxaPermissionError as error:
                if error.errcode != ACCOUNT_NOT_AUTHORIZED:
                    raise
                platform.store.mark(platform.component_appid, appid, "withdrawn")
                withdrawn += 1
                continue
            # One platform was seen to get no authorization_info: then nothing is known; that is not "nothing granted".
            info = answer.get("authorization_info") or {}
            granted = read_granted(info) if "func_info" in info else None
            user_name = answer.get("authorizer_info", {}).get("user_name", "")
            platform.store.note(platform.component_appid, appid, granted=granted, user_name=user_name)
    return withdrawn


def _as_json(row: Credential) -> dict[str, Any]:
    """Return a merchant as JSON values, without any token; ages are whole seconds."""
    has_token = row.access_token is not None
    return {
        "appid": row.appid,
        "state": row.state,
        "granted": None if row.granted is None else list(row.granted),
        "access_token_age": round(row.lifetime - row.seconds_left) if has_token else None,
        "access_token_seconds_left": max(0, round(row.seconds_left)) if has_token else None,
        "refresh_token_age": None if row.renewal_age is None else round(row.renewal_age),
    }


def _as_text(row: Credential) -> dict[str, Any]:
    """Return a merchant as people read it: the same, with durations in words."""
    texts = {
        name: in_words(value) if name.endswith(("_age", "_left")) and value is not None else value
        for name, value in _as_json(row).items()
    }
    if row.granted is not None:
        missing = "" if RELEASE_PERMISSION_SET in row.granted else f" ({RELEASE_PERMISSION_SET} missing)"
        texts["granted"] = (", ".join(map(str, row.granted)) or "none") + missing
    return texts


@command
def authorise(arguments: argparse.Namespace) -> int:
    """Print a link, or exchange a code.

    :return: 0; 1 when the code was another Mini Program's, or the merchant did not grant what a release needs.
    """
    uri, code = arguments.redirect_uri, arguments.code
    if bool(uri) == bool(code):
        raise WxaSpecError(
            Text("authorise_is_refused"),
            [Text("redirect_uri_and_code_are_given") if code else Text("neither_redirect_uri_nor_code")],
        )
    check_appids([arguments.appid] if arguments.appid else [])
    platform, _ = open_platform(arguments.wxa_conn_id)
    if uri:
        say("good for about ten minutes; the merchant opens it in a browser and scans the code with WeChat")
        _print(platform.client.run(new_authorisation_link(platform.component_appid, uri, appid=arguments.appid)))
        return 0
    secret = read_secret(STDIN, "authorization_code") if code == STDIN else Secret(code)
    given = platform.client.run(exchange_code(platform.component_appid, secret))
    platform.store.put_authorisation(platform.component_appid, given)
    _print(
        f"{given.appid} has authorised {platform.component_appid}; what WeChat gave is in the store. "
        f"Permission sets: {', '.join(map(str, given.granted or ())) or 'none'}"
    )
    problems = []
    if arguments.appid and given.appid != arguments.appid:
        problems.append(
            f"the code was {given.appid}'s, not {arguments.appid}'s: {arguments.appid} has yet to authorise."
        )
    if given.grant is None:
        problems.append(
            f"WeChat gave no token of {given.appid}, as it does for an account without API permission: "
            "nothing can be released before it has one."
        )
    if given.granted is None:
        problems.append(f"WeChat did not say what {given.appid} granted: airflow wxa accounts --read-granted asks.")
    elif RELEASE_PERMISSION_SET not in given.granted:
        problems.append(
            f"{given.appid} did not grant permission set {RELEASE_PERMISSION_SET} (development and data), "
            "without which nothing can be released: let the merchant open a new link and tick it."
        )
    for problem in problems:
        say(problem, style="yellow")
    return int(bool(problems))


@command
def ticket(arguments: argparse.Namespace) -> int:
    """Import a ticket, ask for pushes, and say how old the newest one is.

    :return: 0, or 1 when there is no ticket that is still good.
    """
    platform, secret = open_platform(arguments.wxa_conn_id)
    name = platform.component_appid
    if arguments.import_from != "":
        imported = read_secret(arguments.import_from or STDIN, "component_verify_ticket")
        platform.store.put_renewals(name, {THE_PLATFORM: imported})
    if arguments.restart:
        reply = platform.client.send(api_start_push_ticket(name, secret))
        _print(f"WeChat was asked to push tickets again and says: {reply.errmsg}")
    row = platform.store.platform(name)
    age = row.renewal_age if row is not None else None
    if age is None:
        _print(
            f"{name}: no ticket yet. WeChat pushes one about every ten minutes to the authorisation event URL; "
            "--restart asks it to, --import takes one over from another receiver."
        )
    elif age >= TICKET_SECONDS:
        _print(
            f"{name}: the newest ticket came {in_words(age)} ago, it lives 12 h: point the authorisation event URL at "
            "the push receiver, then --restart."
        )
    else:
        _print(f"{name}: the newest ticket came {in_words(age)} ago, good for {in_words(TICKET_SECONDS - age)} more.")
    return int(age is None or age >= TICKET_SECONDS)


@command
def rotate_keys(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (one store for all Connections)
    """Encrypt all secrets with the first key."""
    rows = open_store().rotate_keys()
    _print(f"{rows} rows are encrypted with the first key; the others can leave [wxa] encryption_keys now.")
    return 0


def _print(text: str) -> None:
    Terminal().print(text, markup=False, highlight=False, soft_wrap=True)

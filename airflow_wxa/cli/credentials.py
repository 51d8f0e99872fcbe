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
)
from airflow_wxa.cli.terminal import Terminal, say
from airflow_wxa.errors import WxaPermissionError, WxaSpecError
from airflow_wxa.hooks.store import open_ledger, open_store
from airflow_wxa.steps.authorisation import exchange_code, list_refresh_tokens, new_authorisation_link
from airflow_wxa.store import TaskRef
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import phrase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

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
        say(Text("merchants_are_imported", count=len(merchants)))
    if arguments.import_list:
        say(import_list(platform))
    if arguments.read_granted:
        say(Text("merchants_have_withdrawn", count=_note_granted(platform)))
    name = platform.component_appid
    rows = platform.store.merchants(name).values()
    if rows or is_structured(arguments.output):
        shown = _as_json if is_structured(arguments.output) else _as_text
        print_rows(map(shown, rows), arguments.output)
    if not is_structured(arguments.output):
        authorised = sum(row.state == "authorised" for row in rows)
        counted = Text("merchants_of_platform", platform=name, count=len(rows), authorised=authorised)
        say(counted if rows else Text("platform_has_no_merchant", platform=name))
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
            raise _csv_refused([_at(1, Text("column_is_missing", name=name)) for name in missing])
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error:
        raise _csv_refused([_at(reader.line_num, Text("cell_is_no_csv"))]) from None
    problems = [] if rows else [Text("file_holds_no_merchant")]
    found: dict[str, Secret] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        appid = row["appid"] or ""
        problems += [_at(line, Text(problem)) for problem in _row_problems(row)]
        if lines.setdefault(appid, line) != line and APPID.fullmatch(appid):
            problems.append(_at(line, Text("appid_stands_twice", line=lines[appid])))
        found.setdefault(appid, Secret(row["refresh_token"] or ""))
    if problems:
        raise _csv_refused(problems)
    return found


def _row_problems(row: Mapping[str, str | None]) -> list[str]:
    """Return the keys of texts of all that is wrong with a line."""
    appid, token = row["appid"] or "", row["refresh_token"] or ""
    is_appid = bool(APPID.fullmatch(appid))
    if APPID.fullmatch(token) and not is_appid:
        return ["columns_are_swapped"]
    problems = {
        "appid_is_empty": not appid,
        "appid_is_none": appid and not is_appid,
        "refresh_token_is_empty": not token,
        "refresh_token_holds_blanks": token and (len(token.split()) != 1 or token != token.strip()),
        "there_are_more_cells": "" in row,
    }
    return [key for key, is_so in problems.items() if is_so]


def _at(line: int, problem: str) -> Text:
    return Text("at_line", line=line, problem=problem)


def _csv_refused(problems: Sequence[Text]) -> WxaSpecError:
    rest = len(problems) - _PROBLEMS_SHOWN
    more = [Text("and_more_problems", count=rest)] if rest > 0 else []
    return WxaSpecError(Text("csv_file_is_refused", columns=",".join(_COLUMNS)), [*problems[:_PROBLEMS_SHOWN], *more])


def import_list(platform: PlatformCredentials) -> Text:
    """Store WeChat's list and say what changed; a row that changes meanwhile keeps its newer value."""
    known = platform.store.merchants(platform.component_appid)
    listed = platform.client.run(list_refresh_tokens(platform.component_appid))
    new = platform.store.adopt_renewals(
        platform.component_appid, {appid: token for appid, token in listed.items() if appid not in known}
    )
    other = [(row, listed[appid]) for appid, row in known.items() if appid in listed and row.renewal != listed[appid]]
    changed = sum(platform.store.store_renewal(row, token) is not None for row, token in other)
    unlisted = len(known.keys() - listed.keys())
    rest = Text("merchants_are_not_listed", count=unlisted) if unlisted else ""
    kept = len(listed) - new - changed
    return Text("list_is_imported", new=new, changed=changed, kept=kept, rest=rest)


def _note_granted(platform: PlatformCredentials) -> int:
    """Ask what each merchant granted and is called, and note it; returns how many have withdrawn."""
    withdrawn, ledger = 0, open_ledger()
    with Progress(console=Terminal(stderr=True), transient=True) as progress:
        appids = [*platform.store.merchants(platform.component_appid)]
        for appid in progress.track(appids, description=phrase("asking_for_permissions")):
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
            account = answer.get("authorizer_info") or {}
            user_name, name = account.get("user_name", ""), account.get("nick_name")
            platform.store.note(platform.component_appid, appid, granted=granted, user_name=user_name)
            ledger.know(platform.component_appid, TaskRef("", "", "accounts"), {appid: {"name": name or None}})
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
        is_missing = RELEASE_PERMISSION_SET not in row.granted
        missing = Text("set_is_missing", number=RELEASE_PERMISSION_SET) if is_missing else ""
        texts["granted"] = Text("sets_that_are_granted", sets=_listed(row.granted), missing=missing)
    return texts


@command
def authorise(arguments: argparse.Namespace) -> int:
    """Print a link, or exchange a code; 1 when it was another Mini Program's, or grants too little for a release."""
    uri, code = arguments.redirect_uri, arguments.code
    if bool(uri) == bool(code):
        raise WxaSpecError(
            Text("authorise_is_refused"),
            [Text("redirect_uri_and_code_are_given") if code else Text("neither_redirect_uri_nor_code")],
        )
    check_appids([arguments.appid] if arguments.appid else [])
    platform, _ = open_platform(arguments.wxa_conn_id)
    if uri:
        say(Text("link_is_good_for_ten_minutes"))
        link = new_authorisation_link(platform.component_appid, uri, appid=arguments.appid)
        say(platform.client.run(link), to_stdout=True)
        return 0
    secret = read_secret(STDIN, "authorization_code") if code == STDIN else Secret(code)
    given = platform.client.run(exchange_code(platform.component_appid, secret))
    platform.store.put_authorisation(platform.component_appid, given)
    granted = {"appid": given.appid, "platform": platform.component_appid, "sets": _listed(given.granted or ())}
    say(Text("merchant_has_authorised", **granted), to_stdout=True)
    problems = {
        "code_was_anothers": arguments.appid and given.appid != arguments.appid,
        "no_token_was_given": given.grant is None,
        "permissions_are_not_known": given.granted is None,
        "permission_set_was_not_granted": given.granted is not None and RELEASE_PERMISSION_SET not in given.granted,
    }
    values = {"appid": given.appid, "expected": arguments.appid, "number": RELEASE_PERMISSION_SET}
    for key in (found := [key for key, is_so in problems.items() if is_so]):
        say(Text(key, **values), style="yellow")
    return int(bool(found))


def _listed(sets: Iterable[int]) -> str:
    return ", ".join(map(str, sets)) or Text("none")


@command
def ticket(arguments: argparse.Namespace) -> int:
    """Import a ticket, ask for pushes, and say how old the newest one is; 1 when none is good."""
    platform, secret = open_platform(arguments.wxa_conn_id)
    name = platform.component_appid
    if arguments.import_from != "":
        imported = read_secret(arguments.import_from or STDIN, "component_verify_ticket")
        platform.store.put_renewals(name, {THE_PLATFORM: imported})
    if arguments.restart:
        reply = platform.client.send(api_start_push_ticket(name, secret))
        say(Text("pushes_were_asked_for", errmsg=reply.errmsg), to_stdout=True)
    row = platform.store.platform(name)
    age = row.renewal_age if row is not None else None
    if age is None:
        told = Text("ticket_is_missing", platform=name)
    elif age >= TICKET_SECONDS:
        told = Text("ticket_has_run_out", platform=name, age=in_words(age))
    else:
        told = Text("ticket_is_good", platform=name, age=in_words(age), left=in_words(TICKET_SECONDS - age))
    say(told, to_stdout=True)
    return int(age is None or age >= TICKET_SECONDS)


@command
def rotate_keys(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (one store for all Connections)
    """Encrypt all secrets with the first key."""
    say(Text("keys_are_rotated", count=open_store().rotate_keys()), to_stdout=True)
    return 0

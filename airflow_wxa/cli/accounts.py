"""``airflow wxa accounts``: the merchants in the store, and the two ways to import them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from airflow_wxa.api.authorisation import RELEASE_PERMISSION_SET, api_get_authorizer_info, read_granted
from airflow_wxa.cli.durations import in_words
from airflow_wxa.cli.merchants_csv import read_merchants
from airflow_wxa.cli.opening import explained, open_platform, read_text, say
from airflow_wxa.errors import WxaPermissionError
from airflow_wxa.steps.authorisation import list_refresh_tokens

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from airflow_wxa.access import PlatformCredentials
    from airflow_wxa.store import Credential

_NOT_AUTHORISED: Final = 61003
_STYLES: Final = {"authorised": "green", "withdrawn": "dim", "refused": "red"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import of WeChat's own list did.

    :param new: merchants that were not known.
    :param changed: merchants whose refresh token was another one.
    :param same: merchants that were stored so already, or whose row changed meanwhile: whoever did it knows better.
    :param not_listed: merchants in the store that the list does not name, or names without a refresh token.
    """

    new: int
    changed: int
    same: int
    not_listed: tuple[str, ...]

    def __str__(self) -> str:
        rest = f"; {len(self.not_listed)} in the store are not on WeChat's list" if self.not_listed else ""
        return f"imported: {self.new} new, {self.changed} changed, {self.same} as they were{rest}"


@explained
def run(arguments: argparse.Namespace) -> int:
    """Import what is to be imported, then list the merchants.

    :return: 0.
    """
    platform, _ = open_platform(arguments.wxa_conn_id)
    if arguments.import_csv:
        say(f"imported: {import_csv(platform, read_text(arguments.import_csv))} merchants")
    if arguments.import_list:
        say(str(import_list(platform)))
    if arguments.read_granted:
        say(f"{update_granted(platform)} merchants have withdrawn")
    rows = platform.store.merchants(platform.component_appid)
    if arguments.json:
        sys.stdout.write(json.dumps([as_json(row) for row in rows.values()], indent=2) + "\n")
    else:
        show(platform.component_appid, rows, Console(highlight=False))
    return 0


def import_csv(platform: PlatformCredentials, text: str) -> int:
    """Store the refresh tokens of a CSV file, all or none, over those that are there; returns how many.

    :raises WxaSpecError: every problem of the file.
    """
    merchants = read_merchants(text)
    platform.store.put_renewals(platform.component_appid, merchants)
    return len(merchants)


def import_list(platform: PlatformCredentials) -> Imported:
    """Store what ``api_get_authorizer_list`` tells; a row that changes meanwhile keeps what was put there."""
    known = platform.store.merchants(platform.component_appid)
    listed = platform.client.run(list_refresh_tokens(platform.component_appid))
    new = platform.store.adopt_renewals(
        platform.component_appid, {appid: token for appid, token in listed.items() if appid not in known}
    )
    other = [(row, listed[appid]) for appid, row in known.items() if appid in listed and row.renewal != listed[appid]]
    changed = sum(platform.store.store_renewal(row, token) is not None for row, token in other)
    not_listed = tuple(sorted(known.keys() - listed.keys()))
    return Imported(new, changed, len(listed) - new - changed, not_listed)


def update_granted(platform: PlatformCredentials) -> int:
    """Ask what each merchant granted, and note it; returns how many have withdrawn."""
    rows = platform.store.merchants(platform.component_appid)
    withdrawn = 0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for appid in progress.track([*rows], description="asking what is granted"):
            withdrawn += not _granted_noted(platform, appid)
    return withdrawn


def _granted_noted(platform: PlatformCredentials, appid: str) -> bool:
    """Note what a merchant granted and its original id; false when it has withdrawn."""
    try:
        answer = platform.client.send(api_get_authorizer_info(platform.component_appid, appid)).answer
    except WxaPermissionError as error:
        if error.errcode != _NOT_AUTHORISED:
            raise
        platform.store.mark(platform.component_appid, appid, "withdrawn")
        return False
    # One platform was seen to get no authorization_info: then nothing is known, which is not "nothing granted".
    info = answer.get("authorization_info") or {}
    granted = read_granted(info) if "func_info" in info else None
    user_name = answer["authorizer_info"].get("user_name", "")
    platform.store.note(platform.component_appid, appid, granted=granted, user_name=user_name)
    return True


def as_json(row: Credential) -> dict[str, Any]:
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


def show(component_appid: str, rows: Mapping[str, Credential], console: Console) -> None:
    """Print the merchants as a table."""
    if not rows:
        console.print(
            f"{component_appid} has no merchant in the store: --import-list takes them over from WeChat's own list.",
            markup=False,
        )
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for header in ("Mini Program", "state", "granted", "access token", "refresh token"):
        table.add_column(header, overflow="fold", no_wrap=header in {"Mini Program", "state"})
    for row in rows.values():
        state = f"[{_STYLES[row.state]}]{row.state}[/]"
        table.add_row(row.appid, state, _granted(row), _access_token(row), _refresh_token(row))
    console.print(table)
    number = sum(row.state == "authorised" for row in rows.values())
    console.print(f"\n{component_appid}: {len(rows)} merchants, {number} authorised", markup=False)


def _granted(row: Credential) -> str:
    if row.granted is None:
        return "[dim]not read[/]"
    sets = ", ".join(map(str, row.granted)) or "none"
    return sets if RELEASE_PERMISSION_SET in row.granted else f"{sets} [red](18 missing)[/]"


def _access_token(row: Credential) -> str:
    if row.access_token is None:
        return "[dim]none yet[/]"
    age = f"{in_words(row.lifetime - row.seconds_left)} old"
    return f"{age}, {in_words(row.seconds_left)} left" if row.seconds_left > 0 else f"{age}, [yellow]run out[/]"


def _refresh_token(row: Credential) -> str:
    return "[dim]none[/]" if row.renewal_age is None else f"{in_words(row.renewal_age)} old"

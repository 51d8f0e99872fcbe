"""``airflow wxa ticket``: the component_verify_ticket, without which no platform token can be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console

from airflow_wxa.api.authorisation import api_start_push_ticket
from airflow_wxa.cli.durations import in_words
from airflow_wxa.cli.opening import STDIN, explained, open_platform, read_secret
from airflow_wxa.store.tables import THE_PLATFORM

if TYPE_CHECKING:
    import argparse

    from airflow_wxa.access import PlatformCredentials
    from airflow_wxa.api.redaction import Secret

TICKET_SECONDS: Final = 12 * 3600


@explained
def run(arguments: argparse.Namespace) -> int:
    """Import a ticket, ask for pushes, and show how old the newest one is.

    :return: 0, or 1 when there is no ticket that is still good.
    """
    platform, secret = open_platform(arguments.wxa_conn_id)
    console = Console(highlight=False)
    if arguments.import_from != "":
        import_ticket(platform, read_secret(arguments.import_from or STDIN, "component_verify_ticket"))
    if arguments.restart:
        reply = platform.client.send(api_start_push_ticket(platform.component_appid, secret))
        console.print(f"WeChat was asked to push tickets again and says: {reply.errmsg}", markup=False)
    good, text = ticket_age(platform)
    console.print(text, style="" if good else "yellow", markup=False, soft_wrap=True)
    return int(not good)


def import_ticket(platform: PlatformCredentials, ticket: Secret) -> None:
    """Store a ticket as the newest one."""
    platform.store.put_renewals(platform.component_appid, {THE_PLATFORM: ticket})


def ticket_age(platform: PlatformCredentials) -> tuple[bool, str]:
    """Return whether the stored ticket is still good, and a sentence about it."""
    row = platform.store.platform(platform.component_appid)
    age = row.renewal_age if row is not None else None
    name = platform.component_appid
    if age is None:
        return False, (
            f"{name}: no ticket yet. WeChat pushes one about every ten minutes to the authorisation event URL; "
            "--restart asks it to, --import takes one over from another receiver."
        )
    if age >= TICKET_SECONDS:
        return False, (
            f"{name}: the newest ticket came {in_words(age)} ago, it lives 12 h: point the authorisation event URL at "
            "the push receiver, then --restart."
        )
    return True, f"{name}: the newest ticket came {in_words(age)} ago, good for {in_words(TICKET_SECONDS - age)} more."

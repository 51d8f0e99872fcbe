"""Rules about the store, and about the ticket in it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.doctor.finding import Level, NotLookedAtError, Seen, rule
from airflow_wxa.cli.doctor.patient import refusal
from airflow_wxa.cli.durations import in_words
from airflow_wxa.errors import WxaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.cli.doctor.patient import Patient

TICKET_SECONDS: Final = 12 * 3600
_PUSHES_STOPPED_SECONDS: Final = 3 * 3600  # a ticket comes every ten minutes; by then it is no short disturbance
_TICKET_EXPIRED: Final = 61005
_TICKET_INVALID: Final = 61006


@rule("store")
def store(patient: Patient) -> Iterator[Seen]:
    """Look whether the database of tokens answers, and whether our keys open what is in it."""
    if isinstance(patient.store_or_error, WxaError):
        yield Seen.in_error(patient.store_or_error)


@rule("store file")
def store_file(patient: Patient) -> Iterator[Seen]:
    """Look who may open the file of an SQLite store: a copy and the key together are every merchant."""
    file = patient.store.file
    if file is None:
        raise NotLookedAtError("the store is a database server")
    beside = (file.with_name(f"{file.name}{suffix}") for suffix in ("", "-wal", "-shm"))
    for path in beside:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Seen(
                "others on this machine may open the store's file",
                f"{path}, mode {mode:04o}",
                f"chmod 600 {path}; if others may have copied it, rotate the keys (airflow-wxa docs credentials)",
            )


@rule("ticket")
def no_ticket(patient: Patient) -> Iterator[Seen]:
    """Look for a component_verify_ticket: without one no platform token can be fetched."""
    row = patient.platform_row
    if row is None or row.renewal is None:
        yield Seen(
            "no component_verify_ticket has arrived yet",
            f"component_appid {patient.read.component_appid}",
            "point the authorisation event URL (授权事件接收URL) at the push receiver, then airflow wxa ticket "
            "--restart; or take one over with airflow wxa ticket --import",
        )
    elif error := refusal(_platform_errors(patient), _TICKET_INVALID):
        yield Seen.in_error(error)


@rule("age of the ticket")
def old_ticket(patient: Patient) -> Iterator[Seen]:
    """Look at the ticket's age: it lives 12 hours, and WeChat pushes one about every ten minutes."""
    age = _ticket_age(patient)
    if age >= TICKET_SECONDS or refusal(_platform_errors(patient), _TICKET_EXPIRED):
        yield Seen(
            "the newest component_verify_ticket has run out",
            f"component_appid {patient.read.component_appid}, it came {in_words(age)} ago and lives 12 h",
            "let the authorisation event URL (授权事件接收URL) reach the push receiver and answer success, then "
            "airflow wxa ticket --restart; or take one over with airflow wxa ticket --import",
        )


@rule("pushes of tickets", Level.WARNING)
def ticket_pushes(patient: Patient) -> Iterator[Seen]:
    """Notice that pushes have stopped before the last ticket runs out."""
    age = _ticket_age(patient)
    if _PUSHES_STOPPED_SECONDS <= age < TICKET_SECONDS:
        yield Seen(
            "no component_verify_ticket has come for hours; WeChat pushes one about every ten minutes",
            f"component_appid {patient.read.component_appid}, the newest came {in_words(age)} ago and is good for "
            f"{in_words(TICKET_SECONDS - age)} more",
            "look whether pushes reach the receiver, then airflow wxa ticket --restart",
        )


def _platform_errors(patient: Patient) -> list[WxaError]:
    """Return what WeChat said of the ticket, if it could be asked; the age shows in the store alone."""
    try:
        return patient.platform_errors
    except NotLookedAtError:
        return []


def _ticket_age(patient: Patient) -> float:
    row = patient.platform_row
    if row is None or row.renewal_age is None:
        raise NotLookedAtError("there is no ticket")
    return row.renewal_age

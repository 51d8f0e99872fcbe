"""Rules about the platform: who it says it is, its token, its list of business domains."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.doctor.finding import Level, NotLookedAtError, Seen, rule
from airflow_wxa.cli.doctor.patient import refusal
from airflow_wxa.cli.durations import in_words
from airflow_wxa.errors import WxaApiError, WxaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.cli.doctor.patient import Patient

_WRONG_APPID: Final = (40013, 41018, 61011)
_WRONG_SECRET: Final = (40125, 41004)
_NOT_A_SECRET: Final = 40001  # of a token everywhere; of the secret where no token is sent
_IP: Final = 61004
_TICKET: Final = (61005, 61006)
_FETCH: Final = "api_component_token"


@rule("IP allow list")
def ip_allow_list(patient: Patient) -> Iterator[Seen]:
    """Look for 61004: WeChat takes calls only from addresses on the platform's list."""
    if error := refusal(patient.errors, _IP):
        yield Seen(
            "WeChat does not take calls from this machine's address (61004)",
            Seen.in_error(error).which,
            "add the egress IP of every worker, of the triggerer and of this machine to the IP allow list (IP白名单) "
            "on the platform's page of open.weixin.qq.com, or send calls through one fixed address (extra proxy)",
        )


@rule("component_appid")
def component_appid(patient: Patient) -> Iterator[Seen]:
    """Look whether the login is the platform's appid; that shows only when a platform token is fetched."""
    _ = patient.component_appsecret
    if error := refusal(patient.platform_errors, *_WRONG_APPID):
        yield Seen(
            "WeChat knows no platform of this component_appid",
            f"login {patient.read.component_appid}, errcode {error.errcode}",
            "copy the AppID of the platform's page on open.weixin.qq.com into the Connection's login; it is not the "
            "appid of a Mini Program",
        )
        return
    _check_was_tried(patient)


@rule("component_appsecret")
def component_appsecret(patient: Patient) -> Iterator[Seen]:
    """Look whether the password is the current secret; that shows only when a platform token is fetched."""
    _ = patient.component_appsecret
    if error := _secret_refusal(patient):
        yield Seen(
            "WeChat refuses the component_appsecret",
            f"login {patient.read.component_appid}, errcode {error.errcode}",
            "copy AppSecret of the platform's page on open.weixin.qq.com into the Connection's password; if it was "
            "reset there, every program that uses it needs the new one",
        )
        return
    _check_was_tried(patient)


@rule("platform token")
def platform_token(patient: Patient) -> Iterator[Seen]:
    """Look whether the platform token opens the platform's own calls, after one renewal at the latest."""
    error = patient.platform_list_or_error
    if not isinstance(error, WxaError):
        return
    told = (*_WRONG_APPID, *_WRONG_SECRET, *_TICKET, _IP)
    if refusal([error], *told) or _secret_refusal(patient):
        raise NotLookedAtError("no platform token could be fetched")
    yield Seen.in_error(error)


@rule("platform list")
def platform_list_empty(patient: Patient) -> Iterator[Seen]:
    """Look for an empty platform list: merchants may have only domains that it covers."""
    listed = patient.platform_list
    registered = listed.testing if listed.published is None else listed.published
    if registered is None:
        raise NotLookedAtError("WeChat does not tell the lists")
    if not registered:
        yield Seen(
            "the platform has registered no business domain: every release that sets one ends with 89020",
            "the published list is empty" if listed.published is not None else "the testing list is empty",
            "register the hosts: wxa_release with on_platform_list_empty=register, or "
            "WxaModifyPlatformDomainOperator; serve the verification file on each host first",
        )


@rule("testing and published list", Level.WARNING)
def platform_lists_differ(patient: Patient) -> Iterator[Seen]:
    """Compare the two lists: merchants are checked against the published one, changes land in the testing one."""
    listed = patient.platform_list
    if listed.published is None or listed.testing is None:
        raise NotLookedAtError("the platform is not published, or WeChat tells one list only")
    testing, published = set(listed.testing), set(listed.published)
    if testing != published:
        parts = [f"{name} only: {', '.join(sorted(hosts))}" for name, hosts in _sides(testing, published) if hosts]
        yield Seen(
            "the testing and the published list of business domains differ",
            "; ".join(parts),
            "publish the platform anew on open.weixin.qq.com, or write both together with "
            "WxaModifyPlatformDomainOperator",
        )


@rule("two refreshers")
def two_refreshers(patient: Patient) -> Iterator[Seen]:
    """Look for tokens of ours that are refused though they should live: another program fetched newer ones."""
    rows = {"": patient.platform_row, **patient.merchant_rows}
    asked = [""] if patient.has_working_platform_token else []
    with suppress(NotLookedAtError):
        asked += [merchant.appid for merchant in patient.merchants if not merchant.errors]
    if not any((row := rows.get(appid)) and row.access_token for appid in asked):
        raise NotLookedAtError("no token of ours was in the store before that works now")
    for death in patient.early_deaths:
        if death.appid in asked:
            yield Seen(
                "a token of ours died early: another program fetches tokens for the same account",
                f"{f'appid {death.appid}' if death.appid else 'the platform token'}, fetched "
                f"{in_words(death.age)} ago, good for {in_words(death.seconds_left)} more",
                "find the other program (an older system, a second Airflow with a store of its own) and stop it, or "
                "let it take its tokens from one place with us (airflow-wxa docs credentials)",
            )


def _sides(testing: set[str], published: set[str]) -> tuple[tuple[str, set[str]], tuple[str, set[str]]]:
    return ("testing", testing - published), ("published", published - testing)


def _secret_refusal(patient: Patient) -> WxaApiError | None:
    error = refusal(patient.platform_errors, *_WRONG_SECRET, _NOT_A_SECRET)
    if error is not None and error.errcode == _NOT_A_SECRET and error.endpoint != _FETCH:
        return None
    return error


def _check_was_tried(patient: Patient) -> None:
    """Make sure that login and password were proved.

    :raises NotLookedAtError: they were not: no token was asked for, or something before them was refused.
    """
    if refusal(patient.platform_errors, *_TICKET):
        return  # the ticket is looked at after them
    before = patient.platform_row
    if isinstance(patient.platform_list_or_error, WxaError):
        raise NotLookedAtError("no platform token could be fetched, for another reason")
    now = patient.store.platform(patient.read.component_appid)
    if before is not None and now is not None and before.access_token == now.access_token:
        raise NotLookedAtError(f"the stored platform token is good for another {in_words(now.seconds_left)}")

"""Rules about merchants: what they granted, whether their tokens work, whose account it is, what is left to submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.authorisation import RELEASE_PERMISSION_SET, read_granted
from airflow_wxa.api.call import Reply
from airflow_wxa.cli.doctor.finding import Level, NotLookedAtError, Seen, rule
from airflow_wxa.errors import WxaApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_wxa.cli.doctor.patient import Merchant, Patient

_NOT_AUTHORISED: Final = 61003
_NOT_VALID: Final = 61023
_NOT_GRANTED: Final = 61007
_IP: Final = 61004
_TOLD_ELSEWHERE: Final = frozenset({_NOT_AUTHORISED, _NOT_VALID, _NOT_GRANTED, _IP})
_INDIVIDUAL: Final = 0
_CALLED_PERSON: Final = "个人"
_UNVERIFIED: Final = -1
_NAMED: Final = 5  # appids of a long list


@rule("authorisation")
def not_authorised(patient: Patient) -> Iterator[Seen]:
    """Look whether each merchant has authorised the platform, and not withdrawn."""
    for merchant in patient.merchants:
        if merchant.refused(_NOT_AUTHORISED):
            yield Seen(
                "the merchant has not authorised the platform, or has withdrawn",
                f"appid {merchant.appid}, errcode {_NOT_AUTHORISED}",
                f"let the merchant open the link that airflow wxa authorise --appid {merchant.appid} --redirect-uri … "
                "prints; if it was to be another platform's, correct the Connection",
            )


@rule("refresh token")
def refresh_token(patient: Patient) -> Iterator[Seen]:
    """Look for refused refresh tokens for which WeChat's own list tells no other: only the merchant can help."""
    asked = set()
    for merchant in patient.merchants:
        asked.add(merchant.appid)
        if merchant.refused(_NOT_VALID):
            yield Seen(
                "WeChat refuses the merchant's refresh token, and its list tells no other",
                f"appid {merchant.appid}, errcode {_NOT_VALID}",
                f"let the merchant authorise again: airflow wxa authorise --appid {merchant.appid} --redirect-uri … "
                "prints the link",
            )
    others = [appid for appid, row in _rows(patient).items() if row.state == "refused" and appid not in asked]
    if others:
        named = ", ".join(others[:_NAMED])
        rest = len(others) - _NAMED
        yield Seen(
            f"{len(others)} merchants are marked in the store: their refresh tokens were refused",
            f"{named} and {rest} more" if rest > 0 else named,
            "airflow wxa accounts --import-list takes over what WeChat tells now; whoever stays refused must authorise "
            "again (airflow wxa authorise)",
        )


@rule("permission set 18")
def permission_set_18(patient: Patient) -> Iterator[Seen]:
    """Look for permission set 18, which domains, code, audit and release all belong to."""
    for merchant in patient.merchants:
        granted = _granted(merchant)
        if merchant.refused(_NOT_GRANTED) or (granted is not None and RELEASE_PERMISSION_SET not in granted):
            shown = "none" if granted == () else ", ".join(map(str, granted or ())) or "unknown"
            yield Seen(
                "the merchant has not granted permission set 18 (development and data)",
                f"appid {merchant.appid}, granted: {shown}",
                f"let the merchant authorise again and tick set 18 (开发管理与数据分析): airflow wxa authorise --appid "
                f"{merchant.appid} --redirect-uri … prints the link",
            )


@rule("individual's account", Level.WARNING)
def individual(patient: Patient) -> Iterator[Seen]:
    """Look whose account it is: an individual's Mini Program can have no business domains (89231)."""
    told = False
    for merchant in patient.merchants:
        how = _how_individual(merchant)
        told = told or how is not None
        if how:
            yield Seen(
                "the Mini Program belongs to an individual: it can have no business domains (89231)",
                f"appid {merchant.appid}, {how}",
                "release it without domains (on_individual=release_without_domains), or let the merchant move it to a "
                "company",
            )
    if not told:
        raise NotLookedAtError("WeChat does not tell us whose account it is")


@rule("merchant token")
def merchant_token(patient: Patient) -> Iterator[Seen]:
    """Look whether each merchant's token opens a harmless call, after one renewal at the latest."""
    for merchant in patient.merchants:
        for error in merchant.errors:
            if not (isinstance(error, WxaApiError) and error.errcode in _TOLD_ELSEWHERE):
                yield Seen.in_error(error)


@rule("audit quota")
def audit_quota(patient: Patient) -> Iterator[Seen]:
    """Look at the platform's budget of submissions a month, which any merchant's token reads."""
    answers = (each.quota.answer for each in patient.merchants if isinstance(each.quota, Reply))
    quota = next(answers, None)
    if quota is None:
        raise NotLookedAtError("no merchant's token works")
    if quota["rest"] <= 0:
        yield Seen(
            "the platform's audit quota is used up: submit_audit is refused with 85085",
            f"0 of {quota['limit']} submissions left this month, for all merchants together",
            "apply for temporary quota in the Mini Program 服务商助手, or wait for the next month",
        )


def _rows(patient: Patient) -> Mapping[str, Any]:
    try:
        return patient.merchant_rows
    except NotLookedAtError:
        return {}


def _granted(merchant: Merchant) -> tuple[int, ...] | None:
    """Return what is granted; ``None`` when it is not known: WeChat leaves the part out at times."""
    info = merchant.info.answer.get("authorization_info") if isinstance(merchant.info, Reply) else None
    return read_granted(info) if info and "func_info" in info else None


def _how_individual(merchant: Merchant) -> str | None:
    """Return by what it is seen that an individual owns it; ``""``: a company does; ``None``: not known."""
    if isinstance(merchant.account, Reply):
        return "principal_type 0" if merchant.account.answer["principal_type"] == _INDIVIDUAL else ""
    if not isinstance(merchant.info, Reply):
        return None
    info = merchant.info.answer["authorizer_info"]
    unverified = (info.get("verify_type_info") or {}).get("id") == _UNVERIFIED
    return (
        f"principal_name {_CALLED_PERSON}, not verified"
        if (unverified and info.get("principal_name") == _CALLED_PERSON)
        else ""
    )

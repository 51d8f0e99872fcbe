"""The token family: ticket → platform token → merchant token, authorisation links and codes, grants of merchants.

Bodies and answers hold secrets, so they travel as :class:`~airflow_wxa.api.redaction.Secret` and no text shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from airflow_wxa.api.call import Call, Reply, of_merchant
from airflow_wxa.api.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


#: "Development & data": all release and domain APIs. 30 is basic info and category.
RELEASE_PERMISSION_SET: Final = 18
_LIFETIME: Final = 7200  # seconds, of both kinds of token, where the answer does not say
_LINK: Final = "https://mp.weixin.qq.com/cgi-bin/componentloginpage"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that WeChat gave.

    :param expires_in: seconds, counted from before the request.
    :param refresh_token: the one that came along; ``None``: keep the stored one.
    """

    access_token: Secret
    expires_in: float
    refresh_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Answer to an authorisation code.

    :param grant: ``None`` when WeChat gave no token: it does so for an account without API permission.
    :param granted: ids of the permission sets, merchants may grant some only; ``None`` when WeChat did not say.
    :param refresh_token: the one that came without a grant; a grant holds its own.
    """

    appid: str
    grant: Grant | None
    granted: tuple[int, ...] | None
    refresh_token: Secret | None = None


def api_start_push_ticket(component_appid: str, component_appsecret: Secret) -> Call:
    """Ask WeChat to push tickets again; idempotent. The secret's field is spelled ``component_secret`` here."""
    return _asked("api_start_push_ticket", component_appid, component_secret=component_appsecret)


def api_component_token(component_appid: str, component_appsecret: Secret, ticket: Secret) -> Call:
    """Fetch the platform token; the number of fetches a day is limited.

    :param ticket: the newest ``component_verify_ticket``; it lives 12 h.
    :return: a call whose reply holds ``component_access_token`` and ``expires_in``.
    """
    proof = {"component_appsecret": component_appsecret, "component_verify_ticket": ticket}
    return _asked("api_component_token", component_appid, **proof)


def api_authorizer_token(component_appid: str, appid: str, refresh_token: Secret) -> Call:
    """Fetch a merchant token; the answer may hold a new refresh token, and the old one dies soon then.

    :return: a call whose reply :func:`read_grant` reads.
    """
    named = {"authorizer_appid": appid, "authorizer_refresh_token": refresh_token}
    return _asked("api_authorizer_token", component_appid, **named)


def api_get_authorizer_list(component_appid: str, offset: int, count: int) -> Call:
    """Read merchants with their current refresh tokens, a page of at most 500; ``""``: its code was never exchanged.

    :return: a call whose reply holds ``total_count`` and ``list`` of ``authorizer_appid``, ``refresh_token``.
    """
    return _asked("api_get_authorizer_list", component_appid, offset=offset, count=count)


def api_create_preauthcode(component_appid: str) -> Call:
    """Fetch the code that an authorisation link needs: ``pre_auth_code``, good for ``expires_in`` seconds."""
    return _asked("api_create_preauthcode", component_appid)


def api_query_auth(component_appid: str, authorization_code: Secret) -> Call:
    """Exchange an authorisation code; single use, so not idempotent.

    :return: a call whose reply :func:`read_authorisation` reads.
    """
    return _asked("api_query_auth", component_appid, authorization_code=authorization_code)


def api_get_authorizer_info(component_appid: str, appid: str) -> Call:
    """Read a merchant's profile and its grants; 61003 when it did not authorise the platform."""
    return _asked("api_get_authorizer_info", component_appid, authorizer_appid=appid)


def _asked(name: str, component_appid: str, **fields: Any) -> Call:
    """Return a call of the token family, whose body names the platform."""
    return Call.to(name, None, {"component_appid": component_appid, **fields})


#: Read the account's owner: ``principal_type`` 0 is an individual; needs permission set 30.
getaccountbasicinfo: Final = of_merchant("getaccountbasicinfo")


def authorisation_link(component_appid: str, pre_auth_code: str, redirect_uri: str, *, appid: str = "") -> str:
    """Return the link by which a merchant authorises the platform for a Mini Program.

    :param redirect_uri: page to which WeChat sends the merchant back, with ``auth_code`` in the query.
    :param appid: ask for this Mini Program only.
    """
    query = {
        "component_appid": component_appid,
        "pre_auth_code": pre_auth_code,
        "redirect_uri": redirect_uri,
        "auth_type": 2,  # Mini Programs only
    }
    return f"{_LINK}?{urlencode(query | ({'biz_appid': appid} if appid else {}))}"


def read_grant(answer: Mapping[str, Any], name: Literal["component_access_token", "authorizer_access_token"]) -> Grant:
    """Read a token answer; ``name`` is the field of the token."""
    expires_in = answer.get("expires_in", _LIFETIME)
    return Grant(Secret(answer[name]), float(expires_in), _refresh_token_in(answer))


def read_authorisation(reply: Reply) -> Authorisation:
    """Read the reply of :func:`api_query_auth`."""
    info = reply.answer["authorization_info"]
    granted = read_granted(info) if "func_info" in info else None
    if "authorizer_access_token" not in info:
        return Authorisation(info["authorizer_appid"], None, granted, _refresh_token_in(info))
    return Authorisation(info["authorizer_appid"], read_grant(info, "authorizer_access_token"), granted)


def _refresh_token_in(answer: Mapping[str, Any]) -> Secret | None:
    token = answer.get("authorizer_refresh_token")
    return Secret(token) if token else None


def read_granted(info: Mapping[str, Any]) -> tuple[int, ...]:
    """Read ``func_info`` of an ``authorization_info``: the ids of the permission sets, sorted."""
    return tuple(sorted(entry["funcscope_category"]["id"] for entry in info.get("func_info", ())))

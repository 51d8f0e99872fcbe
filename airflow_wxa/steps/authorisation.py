"""Tokens and authorisations, as steps; ``access`` decides when one is fetched, and by which process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from airflow_wxa.api import authorisation
from airflow_wxa.api.redaction import Secret

if TYPE_CHECKING:
    from airflow_wxa.api.call import Reply
    from airflow_wxa.steps.outcome import Step

_PAGE: Final = 500  # the largest that clients ask for


def fetch_platform_token(
    component_appid: str, component_appsecret: Secret, ticket: Secret
) -> Step[authorisation.Grant]:
    """Fetch a ``component_access_token`` with the newest ticket."""
    reply = yield authorisation.api_component_token(component_appid, component_appsecret, ticket)
    return authorisation.read_grant(reply.answer, "component_access_token")


def fetch_merchant_token(component_appid: str, appid: str, refresh_token: Secret) -> Step[authorisation.Grant]:
    """Fetch an ``authorizer_access_token``; the grant may hold a new refresh token, to be stored before use."""
    reply = yield authorisation.api_authorizer_token(component_appid, appid, refresh_token)
    return authorisation.read_grant(reply.answer, "authorizer_access_token")


def list_refresh_tokens(component_appid: str) -> Step[dict[str, Secret]]:
    """Read the current refresh token of every merchant that has one, by appid; page by page."""
    found: dict[str, Secret] = {}
    offset = 0
    while True:
        reply = yield authorisation.api_get_authorizer_list(component_appid, offset, _PAGE)
        found |= _refresh_tokens(reply)  # apart: an error on the next page would tell what this function holds
        length = len(reply.answer["list"])
        offset += length  # not the count asked for: a page may be capped lower
        if not length or offset >= reply.answer.get("total_count", math.inf):  # an empty page is the end in any case
            return found


def _refresh_tokens(reply: Reply) -> dict[str, Secret]:
    return {
        entry["authorizer_appid"]: Secret(entry["refresh_token"])
        for entry in reply.answer["list"]
        if entry.keys() >= {"authorizer_appid", "refresh_token"}
    }


def exchange_code(component_appid: str, authorization_code: Secret) -> Step[authorisation.Authorisation]:
    """Exchange an authorisation code; it is good once."""
    return authorisation.read_authorisation((yield authorisation.api_query_auth(component_appid, authorization_code)))


def new_authorisation_link(component_appid: str, redirect_uri: str, *, appid: str = "") -> Step[str]:
    """Return a fresh link by which a merchant authorises the platform; good for about ten minutes."""
    answer = (yield authorisation.api_create_preauthcode(component_appid)).answer
    return authorisation.authorisation_link(component_appid, answer["pre_auth_code"], redirect_uri, appid=appid)

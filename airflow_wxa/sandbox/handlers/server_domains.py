"""Server domains: the platform's list, both modes of a Mini Program, and what is effective.

The platform list permits what is below an entry, as for business domains; WeChat documents no rule for server domains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.sandbox.errors import Errcode, RefusalError
from airflow_wxa.sandbox.gate import merchant_call, ok
from airflow_wxa.sandbox.handlers.domains import ACTIONS
from airflow_wxa.sandbox.origins import SERVER_KINDS, ServerDomains, covered, host_of_server
from airflow_wxa.sandbox.versions import spent

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.platforms import Platform
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

MOST_OF_A_KIND = 200
CHANGES_A_MONTH = 50
FORBIDDEN_HOST = "api.weixin.qq.com"
FIELDS = "action " + " ".join(SERVER_KINDS)


@merchant_call("POST", "/wxa/modify_domain", FIELDS, writes=True)
def modify_domain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Read or change the server domains; what is invalid is named beside errcode 0 when the rest was changed."""
    action, asked = _asked(body)
    if action == "get":
        return ok(**_every_kind(account.third_domain))
    platform = world.platform_of(account)
    good, invalid, no_icp = _sorted_out(platform, asked, strict=action != "delete")
    after = _changed(account.third_domain, action, good)
    problems = {f"invalid_{kind}": invalid.get(kind, []) for kind in SERVER_KINDS} | {"no_icp_domain": no_icp}
    if after == _every_kind(account.third_domain):
        raise RefusalError(_nothing_changed(invalid, no_icp), **problems)
    _spend_change(world, account)
    account.third_domain = after
    return ok(**after, **problems)


@merchant_call("POST", "/wxa/modify_domain_directly", FIELDS, writes=True)
def modify_domain_directly(world: World, account: MiniProgram, body: Body) -> Answer:
    """Read or change the server domains of the direct mode, effective after a release."""
    action, asked = _asked(body)
    if action == "get":
        return ok(**_every_kind(account.direct_domain))
    without_icp = world.platform_of(account).without_icp
    for kind, values in asked.items():
        for host in (host_of_server(value, SERVER_KINDS[kind]) for value in values):
            if host is None:
                raise RefusalError(Errcode.BAD_PROTOCOL)
            if host == FORBIDDEN_HOST:
                raise RefusalError(Errcode.WEIXIN_API_DOMAIN)
            if host in without_icp:
                raise RefusalError(Errcode.NEED_ICP)
    after = _changed(account.direct_domain, action, asked)
    if after != _every_kind(account.direct_domain):
        _spend_change(world, account)
        account.direct_domain = after
    return ok(**after)


@merchant_call("POST", "/wxa/get_effective_domain")
def get_effective_domain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer all four lists."""
    return ok(**account.server_lists())


def _asked(body: Body) -> tuple[str, ServerDomains]:
    """Return the action and the lists, which older pages know only four of."""
    action = body.get("action")
    lists = {kind: body[kind] for kind in SERVER_KINDS if kind in body}
    if action not in ACTIONS or not all(isinstance(each, list) for each in lists.values()):
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    if action != "get" and not lists:
        raise RefusalError(Errcode.MISSING_PARAMETER)
    return str(action), lists


def _sorted_out(
    platform: Platform, asked: ServerDomains, *, strict: bool
) -> tuple[ServerDomains, ServerDomains, list[str]]:
    """Return what is good, what breaks a rule, and what has no ICP filing.

    :raises RefusalError: 85018 for a domain that is not on the platform's list.
    """
    good: ServerDomains = {}
    invalid: ServerDomains = {}
    no_icp = []
    for kind, values in asked.items():
        for value in values:
            host = host_of_server(value, SERVER_KINDS[kind])
            if host is None or host == FORBIDDEN_HOST:
                # A value of another scheme comes back with the right one in front, as developers saw.
                shown = (
                    value if str(value).startswith(f"{SERVER_KINDS[kind]}://") else f"{SERVER_KINDS[kind]}://{value}"
                )
                invalid.setdefault(kind, []).append(shown)
            elif strict and host in platform.without_icp:
                no_icp.append(value)
            elif strict and not covered(host, platform.server_hosts):
                raise RefusalError(Errcode.NOT_A_PLATFORM_SERVER_DOMAIN)
            else:
                good.setdefault(kind, []).append(value)
    return good, invalid, no_icp


def _nothing_changed(invalid: ServerDomains, no_icp: list[str]) -> Errcode:
    if invalid and no_icp:
        return Errcode.NO_DOMAIN_AT_ALL
    if invalid:
        return Errcode.NO_DOMAIN_BAD_RULE
    return Errcode.NO_DOMAIN_NO_ICP if no_icp else Errcode.NO_DOMAIN_TO_MODIFY


def _every_kind(lists: ServerDomains) -> ServerDomains:
    return {kind: list(lists.get(kind, ())) for kind in SERVER_KINDS}


def _changed(present: ServerDomains, action: str, asked: ServerDomains) -> ServerDomains:
    after = _every_kind(present)
    for kind in SERVER_KINDS:
        values = asked.get(kind, [])
        if action == "set":
            after[kind] = list(dict.fromkeys(values))
        elif action == "add":
            after[kind] = list(dict.fromkeys([*after[kind], *values]))
        else:
            after[kind] = [each for each in after[kind] if each not in values]
        if len(after[kind]) > MOST_OF_A_KIND:
            raise RefusalError(Errcode.SERVER_DOMAIN_LIMIT)
    return after


def _spend_change(world: World, account: MiniProgram) -> None:
    """Count a change; 86102 is documented for the direct mode only, modify_domain has the same limit."""
    if spent(account.domain_changes, world.time()) >= CHANGES_A_MONTH:
        raise RefusalError(Errcode.DOMAIN_CHANGES_USED_UP)
    account.domain_changes.append(world.time())

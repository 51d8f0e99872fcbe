"""Business domains and server domains: a Mini Program's lists, the platform's, and the effective ones.

The platform list permits what is below an entry; for server domains WeChat documents no rule, here it is the same.
"""

from dataclasses import dataclass
from typing import Self

from airflow_wxa.sandbox.errors import Errcode, RefusalError, refuse_if, taken
from airflow_wxa.sandbox.gate import Answer, Body, answers, ok
from airflow_wxa.sandbox.platforms import COMPONENT, Platform
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.values import (
    SERVER_KINDS,
    ServerDomains,
    bare_host,
    covered,
    host_of_origin,
    host_of_server,
    spent,
)
from airflow_wxa.sandbox.world import World

Origins = dict[str, str]
"""Host to origin as it was sent: a trailing slash stays, hosts are compared."""

MOST_SERVER_DOMAINS = 1000
CHANGES_A_MONTH = 50
MOST_OF_A_KIND = 200
FORBIDDEN_HOST = "api.weixin.qq.com"
PLATFORM_FIELDS = "action is_modify_published_together"
FIELDS = "action " + " ".join(SERVER_KINDS)
ACTIONS = ("add", "delete", "set", "get")


@answers("POST /wxa/setwebviewdomain", MiniProgram, "action webviewdomain", writes=True)
def setwebviewdomain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Read or change the business domains of one Mini Program.

    The platform list is looked at before the account: a Mini Program of an individual hears 89020 until its platform
    has registered something, and 89231 after that.
    """
    action = body.get("action", "all")
    refuse_if("action" in body and action not in ACTIONS, Errcode.INVALID_ARGUMENTS)
    platform = world.platform_of(account)
    registered = world.read(platform, "platform_check", platform.registered)
    if action != "get" or world.get_refuses:
        refuse_if(not registered, Errcode.PLATFORM_LIST_EMPTY)
        refuse_if(account.individual, Errcode.INDIVIDUAL)
    if action == "get":
        own = world.read(account, "domains", account.third_webviewdomain)
        return ok(webviewdomain=own) if world.get_lists else ok()
    present = _by_host(account.third_webviewdomain)
    wanted = {host: f"https://{host}" for host in registered} if action == "all" else _requested(body)
    if action == "delete":
        # A domain that left the platform list can still be deleted, so coverage is not asked for. What happens to a
        # list of present and absent domains is not documented; here the present ones go.
        refuse_if(wanted and present.keys().isdisjoint(wanted), Errcode.DELETED_DOMAIN_ABSENT)
    else:
        # One bad domain refuses the whole call, as in every report.
        refuse_if(not all(covered(host, registered) for host in wanted), Errcode.NOT_A_PLATFORM_DOMAIN)
    after = _changed(action, present, wanted)
    refuse_if(len(after) > world.webviewdomain_limit, Errcode.DOMAIN_LIMIT)
    refuse_if(after.keys() == present.keys(), Errcode.DOMAINS_UNCHANGED)
    account.third_webviewdomain = list(after.values())
    return ok()


def _requested(body: Body) -> Origins:
    refuse_if("webviewdomain" not in body, Errcode.MISSING_PARAMETER)
    origins = body["webviewdomain"]
    # A list that came as a string holding JSON was answered 89021 as well (a developer's post).
    refuse_if(not isinstance(origins, list) or None in map(host_of_origin, origins), Errcode.NOT_A_PLATFORM_DOMAIN)
    return _by_host(origins)


def _by_host(origins: list[str]) -> Origins:
    return {host_of_origin(origin) or "": origin for origin in origins}


def _changed(action: object, present: Origins, wanted: Origins) -> Origins:
    """Return a list after a change; entries that stay keep their spelling."""
    if action == "delete":
        return {host: each for host, each in present.items() if host not in wanted}
    if action == "set":
        return {host: present.get(host, each) for host, each in wanted.items()}
    return {**present, **wanted, **present}


@answers("POST /wxa/setwebviewdomain_directly", MiniProgram, "action webviewdomain", writes=True)
def setwebviewdomain_directly(world: World, account: MiniProgram, body: Body) -> Answer:
    """Read or change the direct mode, effective after a release; ``set`` ends what is effective until the next."""
    action, platform = body.get("action"), world.platform_of(account)
    refuse_if(action not in ACTIONS, Errcode.INVALID_ARGUMENTS)
    if action == "get":
        return ok(webviewdomain=account.direct_webviewdomain)
    refuse_if(account.individual, Errcode.INDIVIDUAL)
    wanted, present = _requested(body), _by_host(account.direct_webviewdomain)
    refuse_if(action != "delete" and not platform.unverifiable.isdisjoint(wanted), Errcode.CONFIRM_FILE_UNREADABLE)
    refuse_if(action != "delete" and not platform.bound_to_many.isdisjoint(wanted), Errcode.BOUND_TO_TOO_MANY)
    after = _changed(action, present, wanted)
    refuse_if(len(after) > world.webviewdomain_limit, Errcode.DOMAIN_LIMIT)
    if action == "set":
        live = account.effective_webviewdomain
        account.effective_webviewdomain = [each for each in live if each not in account.direct_webviewdomain]
    account.direct_webviewdomain = list(after.values())
    return ok(webviewdomain=account.direct_webviewdomain)


@answers("POST /wxa/get_effective_webviewdomain", MiniProgram)
def get_effective_webviewdomain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer all four lists, to individuals too."""
    return ok(**world.read(account, "effective_domains", account.domain_lists()))


@answers("POST /wxa/get_effective_domain", MiniProgram)
def get_effective_domain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the four lists of server domains."""
    return ok(**account.server_lists())


@answers("POST /wxa/get_webviewdomain_confirmfile", MiniProgram)
def get_webviewdomain_confirmfile(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the file that proves a domain for the direct mode, one a Mini Program."""
    return ok(file_name=f"{account.appid[-10:]}.txt", file_content=account.appid[::-1])


@answers(f"POST {COMPONENT}modify_wxa_jump_domain", Platform, f"wxa_jump_h5_domain {PLATFORM_FIELDS}", writes=True)
def modify_wxa_jump_domain(world: World, account: Platform, body: Body) -> Answer:
    """Read or change the platform's own list of business domains, the testing version alone or both."""
    if body.get("action") == "get":
        # The one reply to `get` that a developer posted has no errcode.
        return dict(world.read(account, "platform_list", account.lists()))
    change = _PlatformChange.of(body, "wxa_jump_h5_domain")
    unreachable = [host for host in change.hosts if host in account.unverifiable and change.action != "delete"]
    usable = [host for host in change.hosts if host not in unreachable]
    refuse_if(unreachable and not usable, Errcode.SYSTEM_ERROR)
    failed = change.invalid(unreachable)
    if failed and not usable:
        return ok(**failed)
    limit = world.platform_domain_limit
    account.testing, account.published = change.applied(account.testing, account.published, usable, limit)
    return ok(**account.lists(), **failed)


@answers(f"POST {COMPONENT}modify_wxa_server_domain", Platform, f"wxa_server_domain {PLATFORM_FIELDS}", writes=True)
def modify_wxa_server_domain(world: World, account: Platform, body: Body) -> Answer:
    """Read or change the platform's own list of server domains, 50 times a month."""
    if body.get("action") == "get":
        return dict(account.server_lists())
    change = _PlatformChange.of(body, "wxa_server_domain")
    refuse_if(change.together and account.server_published is None, Errcode.PLATFORM_UNPUBLISHED)
    failed = change.invalid([])
    if failed and not change.hosts:
        return ok(**failed)
    lists = account.server_testing, account.server_published
    changed = change.applied(*lists, change.hosts, MOST_SERVER_DOMAINS)
    if changed != lists:
        refuse_if(spent(account.server_changes, world.time()) >= CHANGES_A_MONTH, Errcode.PLATFORM_CHANGES_USED_UP)
        account.server_changes.append(world.time())
    account.server_testing, account.server_published = changed
    return ok(**account.server_lists(), **failed)


@dataclass(frozen=True, slots=True)
class _PlatformChange:
    """Request of a platform about one of its lists: hosts in one text, joined by ``;``."""

    field: str
    action: str
    together: bool
    hosts: list[str]
    malformed: list[str]

    @classmethod
    def of(cls, body: Body, field: str) -> Self:
        action = body.get("action")
        refuse_if(action not in ACTIONS, Errcode.INVALID_ACTION)
        together = taken(body, "is_modify_published_together", bool, Errcode.INVALID_ARGUMENTS, default=False)
        refuse_if(body.get(field) is None, Errcode.MISSING_PARAMETER)
        entries = [entry for entry in taken(body, field, str, Errcode.INVALID_ARGUMENTS).split(";") if entry]
        hosts = list(dict.fromkeys(host for entry in entries if (host := bare_host(entry))))
        return cls(field, str(action), together, hosts, [entry for entry in entries if bare_host(entry) is None])

    def invalid(self, more: list[str]) -> dict[str, str]:
        """Return the field that names what was not taken; without any there is none."""
        named = ";".join([*self.malformed, *more])
        return {f"invalid_{self.field}": named} if named else {}

    def applied(
        self, testing: list[str], published: list[str] | None, hosts: list[str], limit: int
    ) -> tuple[list[str], list[str] | None]:
        """Return both versions of the list after the change."""
        wanted = dict.fromkeys(hosts, "")
        testing = list(_changed(self.action, dict.fromkeys(testing, ""), wanted))
        if self.together and published is not None:
            published = list(_changed(self.action, dict.fromkeys(published, ""), wanted))
        refuse_if(max(len(testing), len(published or ())) > limit, Errcode.PLATFORM_DOMAIN_LIMIT)
        return testing, published


@answers(f"POST {COMPONENT}get_domain_confirmfile", Platform, empty_body=True)
def get_domain_confirmfile(world: World, account: Platform, body: Body) -> Answer:
    """Answer the file that proves a domain for the platform list."""
    name, content = account.confirm_file
    return ok(file_name=name, file_content=content)


# Server domains of a Mini Program -----------------------------------------------------------------------------------


@answers("POST /wxa/modify_domain", MiniProgram, FIELDS, writes=True)
def modify_domain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Read or change the server domains; invalid ones are named beside errcode 0 when the rest was changed."""
    action, asked = _asked(body)
    if action == "get":
        return ok(**_every_kind(account.third_domain))
    platform = world.platform_of(account)
    good, invalid, no_icp = _sorted_out(platform, asked, strict=action != "delete")
    after = _changed_lists(account.third_domain, action, good)
    problems = {f"invalid_{kind}": invalid.get(kind, []) for kind in SERVER_KINDS} | {"no_icp_domain": no_icp}
    if after == _every_kind(account.third_domain):
        raise RefusalError(_nothing_changed_lists(invalid, no_icp), **problems)
    _spend_change(world, account)
    account.third_domain = after
    return ok(**after, **problems)


@answers("POST /wxa/modify_domain_directly", MiniProgram, FIELDS, writes=True)
def modify_domain_directly(world: World, account: MiniProgram, body: Body) -> Answer:
    """Read or change the server domains of the direct mode, effective after a release."""
    action, asked = _asked(body)
    if action == "get":
        return ok(**_every_kind(account.direct_domain))
    without_icp = world.platform_of(account).without_icp
    for kind, values in asked.items():
        for host in (host_of_server(value, SERVER_KINDS[kind]) for value in values):
            refuse_if(host is None, Errcode.BAD_PROTOCOL)
            refuse_if(host == FORBIDDEN_HOST, Errcode.WEIXIN_API_DOMAIN)
            refuse_if(host in without_icp, Errcode.NEED_ICP)
    after = _changed_lists(account.direct_domain, action, asked)
    if after != _every_kind(account.direct_domain):
        _spend_change(world, account)
        account.direct_domain = after
    return ok(**after)


def _asked(body: Body) -> tuple[str, ServerDomains]:
    """Return the action and the lists, which older pages know only four of."""
    action = body.get("action")
    lists = {kind: body[kind] for kind in SERVER_KINDS if kind in body}
    if action not in ACTIONS or not all(isinstance(each, list) for each in lists.values()):
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    refuse_if(action != "get" and not lists, Errcode.MISSING_PARAMETER)
    return str(action), lists


def _sorted_out(
    platform: Platform, asked: ServerDomains, *, strict: bool
) -> tuple[ServerDomains, ServerDomains, list[str]]:
    """Return good domains, those that break a rule, and those without an ICP filing."""
    good: ServerDomains = {}
    invalid: ServerDomains = {}
    no_icp = []
    for kind, values in asked.items():
        for value in values:
            host = host_of_server(value, SERVER_KINDS[kind])
            if host is None or host == FORBIDDEN_HOST:
                # A value of another scheme comes back with the right one in front, as developers saw.
                scheme = f"{SERVER_KINDS[kind]}://"
                invalid.setdefault(kind, []).append(f"{scheme}{str(value).removeprefix(scheme)}")
            elif strict and host in platform.without_icp:
                no_icp.append(value)
            elif strict and not covered(host, platform.server_hosts):
                raise RefusalError(Errcode.NOT_A_PLATFORM_SERVER_DOMAIN)
            else:
                good.setdefault(kind, []).append(value)
    return good, invalid, no_icp


def _nothing_changed_lists(invalid: ServerDomains, no_icp: list[str]) -> Errcode:
    if invalid and no_icp:
        return Errcode.NO_DOMAIN_AT_ALL
    if invalid:
        return Errcode.NO_DOMAIN_BAD_RULE
    return Errcode.NO_DOMAIN_NO_ICP if no_icp else Errcode.NO_DOMAIN_TO_MODIFY


def _every_kind(lists: ServerDomains) -> ServerDomains:
    return {kind: list(lists.get(kind, ())) for kind in SERVER_KINDS}


def _changed_lists(present: ServerDomains, action: str, asked: ServerDomains) -> ServerDomains:
    after = {}
    for kind, values in _every_kind(present).items():
        after[kind] = list(_changed(action, dict.fromkeys(values, ""), dict.fromkeys(asked.get(kind, ()), "")))
        refuse_if(len(after[kind]) > MOST_OF_A_KIND, Errcode.SERVER_DOMAIN_LIMIT)
    return after


def _spend_change(world: World, account: MiniProgram) -> None:
    """Count a change; 86102 is documented for the direct mode only, modify_domain has the same limit."""
    refuse_if(spent(account.domain_changes, world.time()) >= CHANGES_A_MONTH, Errcode.DOMAIN_CHANGES_USED_UP)
    account.domain_changes.append(world.time())

"""Business domains: a Mini Program's own list, and the platform's list that permits them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from airflow_wxa.api.call import named_in_full, refused_values
from airflow_wxa.api.endpoints import CATALOGUE, budget_used_up
from airflow_wxa.api.errcodes import (
    DELETE_DOMAIN_NOT_EXIST,
    INDIVIDUAL_NOT_SUPPORTED,
    PLATFORM_WEBVIEW_DOMAIN_EMPTY,
    WEBVIEW_DOMAIN_NOT_ON_PLATFORM,
    error_for,
)
from airflow_wxa.api.server_domain import modify_wxa_server_domain
from airflow_wxa.api.webview_domain import (
    ACTIONS,
    get_domain_confirmfile,
    get_effective_webviewdomain,
    modify_wxa_jump_domain,
    normalised_hosts,
    normalised_origins,
    read_hosts,
    remaining,
    setwebviewdomain,
    setwebviewdomain_directly,
)
from airflow_wxa.errors import (
    WxaApiError,
    WxaBusyError,
    WxaError,
    WxaInputError,
    WxaPlatformSetupError,
    WxaSpecError,
    WxaStateError,
    shown,
)
from airflow_wxa.steps.lag import NOTHING_ACCEPTED, read_past_lag, recall, sent, still_lagging
from airflow_wxa.steps.offline import WEBVIEW
from airflow_wxa.steps.online import SERVER_LIST, going_offline, read_online, read_platform_list, refuse_losses
from airflow_wxa.steps.outcome import (
    DirectDomainOutcome,
    DomainOutcome,
    PlatformOutcome,
    PlatformServerOutcome,
    approved,
    changes_left,
    in_order,
)
from airflow_wxa.steps.server_domains import configure_webview_domains_directly
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from airflow_wxa.api.call import Reply
    from airflow_wxa.api.endpoints import Endpoint
    from airflow_wxa.api.webview_domain import Action, WebviewDomain
    from airflow_wxa.steps.lag import AcceptedWrites
    from airflow_wxa.steps.offline import Kinds, Offline, Online
    from airflow_wxa.steps.online import PlatformList
    from airflow_wxa.steps.outcome import Approved, Step

P = TypeVar("P", bound=PlatformOutcome)

_ROADS: Final[Mapping[int, Literal["platform_list_empty", "individual"]]] = {
    PLATFORM_WEBVIEW_DOMAIN_EMPTY: "platform_list_empty",
    INDIVIDUAL_NOT_SUPPORTED: "individual",
}
_ENDPOINT: Final = CATALOGUE["setwebviewdomain"]
_PLATFORM_ENDPOINT: Final = CATALOGUE["modify_wxa_jump_domain"]


def configure_domains(
    appid: str,
    action: Action,
    wanted: Sequence[WebviewDomain] = (),
    *,
    skip_equal: bool = False,
    allowed: Kinds | None = None,
    direct: bool = False,
) -> Step[DomainOutcome]:
    """Bring a Mini Program's business domains to the state that ``action`` names, and read them back.

    The write is sent even when the list already matches: it answers 89019 then, and it is the only probe for 89020
    that a merchant token has. 89020 and 89231 are outcomes, on whichever call they come.

    :param skip_equal: send no write when the list matches: an earlier look has found the platform's not empty.
    :param allowed: effective domains that the next release may take away, by kind; ``None``: any. With ``skip_equal``
        that is judged before the write, else behind it: the write is the only probe for 89020.
    :param direct: in direct mode, past the platform's list: see
        :func:`~airflow_wxa.steps.server_domains.configure_webview_domains_directly`; judged before the write, too.
    :raises WxaBusyError: the list read back, or the platform list, still is as it was before an accepted write.
    :raises WxaSpecError: domains missing where the action needs them, or given where it takes none.
    :raises WxaPlatformSetupError: 89021, naming each host that the platform list does not cover, when that can be read.
    :raises WxaStateError: accepted, but the list read back is not what was wanted; or the next release would take more
        away than is allowed, see :mod:`airflow_wxa.steps.offline`.
    """
    _check_action(appid, action, wanted)
    accepted = yield from recall(appid, past=True)
    if direct:
        return (yield from _configured_directly(appid, action, wanted, accepted, allowed))
    try:
        before = yield from _read_list(appid, action, accepted)
        online = yield from read_online(appid)
        is_equal = skip_equal and action is not None and before is not None and not remaining(action, wanted, before)
        if action == "get" or is_equal:
            outcome = DomainOutcome("unchanged", appid, action, before=in_order(before), after=in_order(before))
            return (yield from _with_losses(outcome, online, accepted, allowed))
        if skip_equal and allowed is not None:
            yield from _refuse_losses(appid, online, _intended(action, wanted, before), before, accepted, allowed)
        reply = yield from _written(appid, action, wanted, before, accepted, online)
        platform = (yield from read_platform_hosts()) if action is None else None
        seen = accepted.with_write("setwebviewdomain", in_order(before))

        def lags(after: frozenset[str] | None) -> bool:
            # A list that was not told before the write may be the one from before it.
            is_old = before is None or seen.explains("setwebviewdomain", in_order(after))
            return after is not None and is_old and remaining(action, wanted, after, platform) != []

        after = yield from read_past_lag(lambda: _read_list(appid, action, accepted), lags)
    except WxaApiError as error:
        if error.errcode in _ROADS:
            road = _ROADS[error.errcode]
            nothing = () if road == "individual" else None
            return DomainOutcome(road, appid, action, errcode=error.errcode, errmsg=error.errmsg, will_be_lost=nothing)
        if error.errcode == WEBVIEW_DOMAIN_NOT_ON_PLATFORM:
            raise (yield from _uncovered(error, wanted)) from None
        raise
    if lags(after):
        raise still_lagging("setwebviewdomain", "setwebviewdomain", appid, in_order(after))
    if after is not None:
        _check_done(appid, action, remaining(action, wanted, after, platform), after, reply.errcode)
    known = before is not None and after is not None
    outcome = DomainOutcome(
        "unchanged" if reply.errcode else "configured",
        appid,
        action,
        errcode=reply.errcode,
        errmsg=reply.errmsg,
        before=in_order(before),
        after=in_order(after),
        added=in_order((after or frozenset()) - (before or frozenset())) if known else (),
        removed=in_order((before or frozenset()) - (after or frozenset())) if known else (),
    )
    return (yield from _with_losses(outcome, online, accepted, allowed))


def _configured_directly(
    appid: str, action: Action, wanted: Sequence[WebviewDomain], accepted: AcceptedWrites, allowed: Kinds | None
) -> Step[DomainOutcome]:
    before = yield from read_own_domains(appid, direct=True)
    online = yield from read_online(appid)
    after = before if action == "get" else _intended(action, wanted, before)
    offline = yield from _refuse_losses(appid, online, after, before, accepted, allowed, field="direct")
    try:
        done = yield from configure_webview_domains_directly(appid, action or "all", wanted)
    except WxaApiError as error:
        if error.errcode != INDIVIDUAL_NOT_SUPPORTED:
            raise
        code, said = error.errcode, error.errmsg
        return DirectDomainOutcome("individual", appid, action, errcode=code, errmsg=said, will_be_lost=())
    lists = (done.before, done.after, done.added, done.removed)
    told = [tuple(each[WEBVIEW]) if WEBVIEW in each else None for each in lists]
    outcome = DirectDomainOutcome(
        done.outcome, appid, action, before=told[0], after=told[1], added=told[2] or (), removed=told[3] or ()
    )
    return outcome.with_losses(offline)


def _with_losses(
    outcome: DomainOutcome, online: Online, accepted: AcceptedWrites, allowed: Kinds | None
) -> Step[DomainOutcome]:
    """Return the outcome with the next release's losses, unless they are more than is allowed."""
    after = None if outcome.after is None else frozenset(outcome.after)
    before = None if outcome.before is None else frozenset(outcome.before)
    offline = yield from _refuse_losses(outcome.appid, online, after, before, accepted, allowed)
    return outcome.with_losses(offline)


def _refuse_losses(
    appid: str,
    online: Online,
    after: frozenset[str] | None,
    before: frozenset[str] | None,
    accepted: AcceptedWrites,
    allowed: Kinds | None,
    *,
    field: Literal["api", "direct"] = "api",
) -> Step[Offline]:
    """Return the next release's losses; the list that the write leaves, and domains that it takes off, are ours."""
    put_on, off = (after or frozenset()), (before or frozenset()) - (after if after is not None else before or set())
    asked_off = ((accepted.past.asked_off.get(WEBVIEW) or frozenset()) | off) - put_on
    past = replace(accepted.past, asked_off={**accepted.past.asked_off, WEBVIEW: asked_off})
    changed: dict[str, Kinds] = {field: {WEBVIEW: after}}
    offline, _ = yield from going_offline(appid, online, past, changed=changed, registered=accepted.registered)
    refuse_losses("setwebviewdomain" if field == "api" else "setwebviewdomain_directly", appid, offline, allowed)
    return offline


def _intended(action: Action, wanted: Sequence[WebviewDomain], before: frozenset[str] | None) -> frozenset[str] | None:
    """Return the list as a write will leave it; ``None``: not known."""
    origins = frozenset(domain.origin for domain in wanted)
    if action == "set":
        return origins
    if before is None or action is None:
        return before
    return before | origins if action == "add" else before - origins


def _read_list(appid: str, action: Action, accepted: AcceptedWrites) -> Step[frozenset[str] | None]:
    """Read a Mini Program's own list; ``None`` while WeChat does not see yet what was registered a moment ago."""
    try:
        return (yield from read_own_domains(appid))
    except WxaApiError as error:
        if action == "get" or error.errcode != PLATFORM_WEBVIEW_DOMAIN_EMPTY or not accepted.registered:
            raise
        return None  # before the write: it is sent until that is seen; after it: it was seen already


def _written(
    appid: str,
    action: Action,
    wanted: Sequence[WebviewDomain],
    before: frozenset[str] | None,
    accepted: AcceptedWrites,
    online: Online,
) -> Step[Reply]:
    """Send the write, again while WeChat does not see yet what was registered on the platform list a moment ago."""
    noted = online.to_json()
    registered = {
        PLATFORM_WEBVIEW_DOMAIN_EMPTY: bool(accepted.registered),
        WEBVIEW_DOMAIN_NOT_ON_PLATFORM: bool(accepted.registered)
        and all(domain.covered_by(accepted.registered) for domain in wanted),
    }

    def write() -> Step[Reply | WxaApiError]:
        try:
            return (yield setwebviewdomain(appid, action, wanted).knowing(in_order(before), online=noted))
        except WxaApiError as error:
            if not registered.get(error.errcode, False):
                raise
            return error

    reply = yield from read_past_lag(write, lambda said: isinstance(said, WxaApiError))
    if isinstance(reply, WxaApiError):
        raise still_lagging("setwebviewdomain", "modify_wxa_jump_domain", appid, f"errcode {reply.errcode}") from reply
    there = [domain for domain in wanted if domain.origin in (before or ())]
    if reply.errcode == DELETE_DOMAIN_NOT_EXIST and there and len(there) < len(wanted):
        # One that is not there may have held the others up: what becomes of such a list is not documented.
        reply = yield setwebviewdomain(appid, action, there).knowing(in_order(before), online=noted)
    return reply


def read_own_domains(appid: str, *, direct: bool = False) -> Step[frozenset[str] | None]:
    """Read a Mini Program's own list; ``None`` when the answer has no list: WeChat's pages do not promise one.

    :param direct: that of direct mode.
    """
    reply = yield setwebviewdomain_directly(appid, "get") if direct else setwebviewdomain(appid, "get")
    entries = reply.answer.get("webviewdomain")
    return None if entries is None else normalised_origins(entries)


def read_effective_domains(appid: str) -> Step[frozenset[str] | None]:
    """Read the business domains that are effective online; ``None`` when WeChat did not say."""
    reply = yield get_effective_webviewdomain(appid)
    entries = reply.answer.get("effective_webviewdomain")
    return None if entries is None else normalised_origins(entries)


def modify_platform_domains(
    action: Literal["add", "delete", "set", "get"],
    hosts: Iterable[str] = (),
    *,
    only_if_empty: bool = False,
    approval: Approved | None = None,
) -> Step[PlatformOutcome]:
    """Change the platform's own list, testing and published version together; every merchant is concerned.

    :param hosts: bare hosts, e.g. ``m.example.com``.
    :param only_if_empty: write nothing where merchants are already checked against other hosts than these.
    :param approval: of this action and these hosts, asked for just before the write, with both lists as they are then.
    :raises WxaSpecError: not hosts; nothing is sent.
    :raises WxaStateError: ``only_if_empty``, and the published list holds others; or the list read back is not what
        was wanted.
    :raises WxaBusyError: the list read back still is as it was before an accepted write.
    :raises WxaPlatformSetupError: hosts whose verification file WeChat could not fetch: the error hands over name,
        content and address.
    """
    hosts = [hosts] if isinstance(hosts, str) else list(hosts)
    wanted = _checked_hosts(action, hosts)
    before = yield from read_platform_list()
    known_to_be_done = before.known and all(_platform_done(action, wanted, version) for version in before.known)
    if only_if_empty and before.published:
        if not wanted <= before.published:
            raise WxaStateError(
                Text("platform_list_is_not_empty"),
                values={
                    "to register": ", ".join(sorted(wanted)),
                    "published": _shown_list(before.published),
                    "testing": _shown_list(before.testing),
                },
                **_PLATFORM_ENDPOINT.named(),
            )
        known_to_be_done = True
    if action == "get" or known_to_be_done:
        return PlatformOutcome("unchanged", action, in_order(before.testing), in_order(before.published))
    if approval is not None:
        # A retry: one version is as it was approved to become, and only the other one lags behind.
        done = {part for part, version in before.parts.items() if _platform_done(action, wanted, version)}
        lists = {part: version for part, version in before.to_json().items() if part not in done}
        yield from approved(replace(approval, about={**approval.about, **lists}))
    reply, lost = yield from sent(modify_wxa_jump_domain(action, wanted).knowing(before.to_json()))
    if reply and (invalid := normalised_hosts(reply.answer.get("invalid_wxa_jump_h5_domain", ""))):
        raise (yield from _unverified(invalid, None))
    try:
        after = yield from _read_back(_PLATFORM_ENDPOINT, action, wanted, before, lost)
    except WxaBusyError as error:
        raise (yield from _unverified(wanted, error)) if error is lost else error from None
    return _registered(PlatformOutcome, action, before, after)


def modify_platform_server_domains(
    action: Literal["add", "delete", "set", "get"], hosts: Iterable[str] = ()
) -> Step[PlatformServerOutcome]:
    """Change the platform's own list of server domains; every merchant is concerned, and nothing is sent in vain.

    The published version is changed together with the testing one where there is one.

    :param hosts: bare hosts, e.g. ``api.example.com``.
    :raises WxaSpecError: not hosts; nothing is sent.
    :raises WxaInputError: hosts that WeChat did not take, although it answered 0.
    :raises WxaQuotaError: this month has no change left; nothing was sent.
    :raises WxaStateError: the list read back is not what was wanted.
    :raises WxaBusyError: the list read back still is as it was before an accepted write.
    """
    endpoint = SERVER_LIST
    wanted = _checked_hosts(action, [hosts] if isinstance(hosts, str) else list(hosts), endpoint)
    before = yield from read_platform_list(endpoint)
    if action == "get" or (before.known and all(_platform_done(action, wanted, each) for each in before.known)):
        return PlatformServerOutcome("unchanged", action, in_order(before.testing), in_order(before.published))
    if (left := (yield from changes_left(endpoint.name, None))) < 1:
        raise budget_used_up(endpoint, None, left)
    call = modify_wxa_server_domain(action, wanted, published=before.published is not None)
    reply, lost = yield from sent(call.knowing(before.to_json()))
    if reply and (refused := refused_values(call, reply)):
        raise WxaInputError(
            Text("platform_server_hosts_were_left_out"),
            errcode=0,
            values=named_in_full(refused),
            why=Text("wechat_answers_0_although_it_did_not"),
            next_step=Text("correct_or_drop_these_hosts_then_run"),
            **SERVER_LIST.named(),
        )
    after = yield from _read_back(endpoint, action, wanted, before, lost)
    return _registered(PlatformServerOutcome, action, before, after)


def _read_back(
    endpoint: Endpoint, action: str, wanted: frozenset[str], before: PlatformList, lost: WxaError | None
) -> Step[PlatformList]:
    """Read the list past lag after a write that may be lost; raise if it is not as ``action`` wants it."""
    seen = (yield from recall()).with_write(endpoint.name, before.to_json())

    def undone(after: PlatformList) -> dict[str, frozenset[str]]:
        return {part: hosts for part, hosts in after.parts.items() if not _platform_done(action, wanted, hosts)}

    def lags(after: PlatformList) -> bool:
        """Tell whether each version that is not as ``action`` wants it still is as it was before an accepted write."""
        left = undone(after)
        if isinstance(lost, WxaBusyError):  # WeChat has answered, and mostly done nothing: nobody waits for that
            return False
        return left != {} and all(seen.explains(endpoint.name, in_order(left[part]), part) for part in left)

    after = yield from read_past_lag(lambda: read_platform_list(endpoint), lags)
    if undone(after):
        if lost is None and lags(after):
            lost = still_lagging(endpoint.name, endpoint.name, None, after.to_json())
        raise lost or WxaStateError(
            Text("platform_list_differs", endpoint=endpoint.name),
            values={
                "action": action,
                "hosts": ", ".join(sorted(wanted)),
                "testing": _shown_list(after.testing),
                "published": _shown_list(after.published),
            },
            **endpoint.named(),
        )
    return after


def _registered(outcome: type[P], action: str, before: PlatformList, after: PlatformList) -> P:
    added, removed = after.hosts - before.hosts, before.hosts - after.hosts
    lists = in_order(after.testing), in_order(after.published)
    return outcome("registered", action, *lists, added=in_order(added), removed=in_order(removed))


def _platform_done(action: str, wanted: frozenset[str], version: frozenset[str]) -> bool:
    """Tell whether one version of the platform list is already as ``action`` wants it."""
    return {"get": True, "add": wanted <= version, "delete": not wanted & version, "set": wanted == version}[action]


def _is_old(platform: PlatformList, accepted: AcceptedWrites) -> bool:
    """Tell whether the version that merchants are checked against is one from before an accepted write."""
    part = "testing" if platform.published is None else "published"
    return accepted.explains("modify_wxa_jump_domain", in_order(platform.hosts), part)


def read_platform_hosts(
    wanted: Collection[WebviewDomain] = (), accepted: AcceptedWrites = NOTHING_ACCEPTED
) -> Step[frozenset[str] | None]:
    """Read the platform list if the Connection can; best effort: ``None`` when it cannot.

    :param wanted: read past lag while one of these is not covered.
    :raises WxaBusyError: one is not covered, and the list still is as it was before an accepted write.
    """

    def lags(platform: PlatformList) -> bool:
        return _is_old(platform, accepted) and not all(domain.covered_by(platform.hosts) for domain in wanted)

    try:
        platform = yield from read_past_lag(read_platform_list, lags)
    except WxaError:
        return None
    if lags(platform):
        raise still_lagging("release", "modify_wxa_jump_domain", None, in_order(platform.hosts))
    return platform.hosts if platform.known else None


def _check_action(appid: str, action: Action, wanted: Collection[WebviewDomain]) -> None:
    known = action in ACTIONS
    takes_domains = action in ("add", "delete", "set")
    if known and takes_domains == bool(wanted):
        return
    said = "left out" if action is None else repr(action)
    if not known:
        problem = f"action = {shown(said)}: must be add, delete, set or get, or None"
        hint = "correct the action; None leaves it out and adds every domain of the platform list"
    elif takes_domains:
        problem = f"webviewdomain = []: action {said} needs at least one domain"
        hint = "name the domains; to add every domain of the platform list leave the action out"
        if action == "set":
            hint = "an empty set would delete every domain; use delete and name them"
    else:
        problem = f"webviewdomain = {[domain.origin for domain in wanted]}: action {said} takes no domains"
        hint = "leave webviewdomain empty, or use add, set or delete"
    raise WxaSpecError(Text("webview_domains_are_refused"), [problem], next_step=hint, **_ENDPOINT.named(appid))


def _checked_hosts(action: str, hosts: Collection[Any], endpoint: Endpoint = _PLATFORM_ENDPOINT) -> frozenset[str]:
    wanted, problems = read_hosts(hosts)
    if action == "get" and hosts:
        problems.append(f"hosts = {hosts}: action 'get' takes none")
    if action != "get" and not hosts:
        problems.append(f"hosts = []: action {action!r} needs at least one")
    if action not in {"add", "delete", "set", "get"}:
        problems.append(f"action = {action!r}: must be add, delete, set or get")
    if problems:
        raise WxaSpecError(Text("hosts_are_refused", endpoint=endpoint.name), problems, **endpoint.named())
    return frozenset(wanted)


def _shown_list(entries: frozenset[str] | None) -> str:
    return "unknown" if entries is None else ", ".join(sorted(entries)) or "none"


def _check_done(appid: str, action: Action, left: list[str], after: frozenset[str], errcode: int) -> None:
    if left:
        said = Text("write_was_accepted") if errcode == 0 else Text("write_changed_nothing", errcode=errcode)
        raise WxaStateError(
            Text("webview_domains_differ", answer=said),
            values={"action": action or "left out", "differs by": left, "list": sorted(after)},
            why=Text("change_was_not_applied") if errcode == 0 else Text("nothing_to_change_although_different"),
            **_ENDPOINT.named(appid),
        )


def _uncovered(error: WxaApiError, wanted: Sequence[WebviewDomain]) -> Step[WxaApiError]:
    """Return 89021 with each host that the platform list does not cover, or both usual causes."""
    platform = yield from read_platform_hosts()
    missing = [domain.host for domain in wanted if not domain.covered_by(platform or ())]
    if platform is not None and missing:
        return error_for(
            error.errcode,
            endpoint=_ENDPOINT,
            appid=error.appid,
            errmsg=error.errmsg,
            rid=error.rid,
            values={"not on the platform list": ", ".join(missing)},
            why=Text("hosts_are_not_on_the_platform_list"),
            next_step=Text("register_hosts_or_correct"),
        )
    read = Text("list_could_not_be_read") if platform is None else Text("list_covers_all")
    return error_for(
        error.errcode,
        endpoint=_ENDPOINT,
        appid=error.appid,
        errmsg=error.errmsg,
        rid=error.rid,
        values={"sent": ", ".join(domain.origin for domain in wanted)},
        why=Text("domain_refusal_explained", meaning=error.why, read=read),
    )


def _unverified(hosts: Collection[str], busy: WxaBusyError | None) -> Step[WxaApiError]:
    """Return the error for hosts that WeChat could not verify, with the file to put there when it can be read."""
    try:
        file = (yield get_domain_confirmfile()).answer
    except WxaError:
        file = {}
    name = file.get("file_name", "")
    handed = {"file name": name, "file content": file.get("file_content", "")} if name else {}
    handed["put it at"] = ", ".join(f"https://{host}/{name}" for host in sorted(hosts))
    values = {"hosts": ", ".join(sorted(hosts))} | handed
    next_step = Text("serve_the_verification_file")
    if busy is not None:  # -1 says "busy" as well as "the file could not be fetched"
        return error_for(
            busy.errcode,
            endpoint=_PLATFORM_ENDPOINT,
            errmsg=busy.errmsg,
            rid=busy.rid,
            values=values,
            next_step=Text("and_if_it_stays", first=busy.next_step, then=next_step),
        )
    return WxaPlatformSetupError(
        Text("verification_file_is_missing"),
        errcode=0,
        values=values,
        next_step=next_step,
        **_PLATFORM_ENDPOINT.named(),
    )

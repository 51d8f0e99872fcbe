"""Business domains: a Mini Program's own list, and the platform's list that permits them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from airflow_wxa.api.call import Reply, named_in_full, refused_values
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, budget_used_up
from airflow_wxa.api.errcodes import (
    DELETE_DOMAIN_NOT_EXIST,
    INDIVIDUAL_NOT_SUPPORTED,
    PLATFORM_WEBVIEW_DOMAIN_EMPTY,
    WEBVIEW_DOMAIN_NOT_ON_PLATFORM,
)
from airflow_wxa.api.server_domain import modify_wxa_server_domain
from airflow_wxa.api.webview_domain import (
    ACTIONS,
    LIST_ACTIONS,
    Action,
    WebviewDomain,
    action_problems,
    get_domain_confirmfile,
    left_to_do,
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
)
from airflow_wxa.steps.lag import NOTHING_ACCEPTED, AcceptedWrites, Watched, read_past_lag, recall, sent, still_lagging
from airflow_wxa.steps.offline import WEBVIEW, Kinds, Online
from airflow_wxa.steps.online import (
    SERVER_LIST,
    PlatformList,
    going_offline,
    read_online,
    read_platform_list,
    refuse_losses,
)
from airflow_wxa.steps.outcome import (
    Approved,
    DirectDomainOutcome,
    DomainOutcome,
    PlatformOutcome,
    PlatformServerOutcome,
    Step,
    approved,
    changes_left,
    in_order,
)
from airflow_wxa.steps.remote_state import if_known
from airflow_wxa.steps.server_domains import configure_webview_domains_directly, verification_file
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


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
    given = [domain.origin for domain in wanted]
    if problems := action_problems("webviewdomain", action, given, known=ACTIONS):
        raise WxaSpecError(Text("webview_domains_are_refused"), problems, **_ENDPOINT.named(appid))
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
            left = in_order(_intended(action, wanted, before))
            planned = DomainOutcome("configured", appid, action, before=in_order(before), after=left)
            yield from _with_losses(planned, online, accepted, allowed)
        reply = yield from _written(appid, action, wanted, before, accepted, online)
        after = yield from _read_back(appid, action, wanted, before, accepted, reply.errcode)
    except WxaApiError as error:
        if error.errcode in _ROADS:
            road = _ROADS[error.errcode]
            nothing = () if road == "individual" else None
            return DomainOutcome(road, appid, action, errcode=error.errcode, errmsg=error.errmsg, will_be_lost=nothing)
        if error.errcode == WEBVIEW_DOMAIN_NOT_ON_PLATFORM:
            yield from _explain_uncovered(error, wanted)
        raise
    told = None if before is None or after is None else (before, after)
    outcome = DomainOutcome(
        "unchanged" if reply.errcode else "configured",
        appid,
        action,
        errcode=reply.errcode,
        errmsg=reply.errmsg,
        before=in_order(before),
        after=in_order(after),
        added=in_order(told[1] - told[0]) if told else (),
        removed=in_order(told[0] - told[1]) if told else (),
    )
    return (yield from _with_losses(outcome, online, accepted, allowed))


def _configured_directly(
    appid: str, action: Action, wanted: Sequence[WebviewDomain], accepted: AcceptedWrites, allowed: Kinds | None
) -> Step[DomainOutcome]:
    before = yield from read_own_domains(appid, direct=True)
    online = yield from read_online(appid)
    after = before if action == "get" else _intended(action, wanted, before)
    outcome = DirectDomainOutcome("configured", appid, action, before=in_order(before), after=in_order(after))
    planned = yield from _with_losses(outcome, online, accepted, allowed)
    try:
        done = yield from configure_webview_domains_directly(appid, action or "all", wanted)
    except WxaApiError as error:
        if error.errcode != INDIVIDUAL_NOT_SUPPORTED:
            raise
        code, said = error.errcode, error.errmsg
        return DirectDomainOutcome("individual", appid, action, errcode=code, errmsg=said, will_be_lost=())
    lists = {"before": done.before, "after": done.after, "added": done.added, "removed": done.removed}
    told: dict[str, Any] = {name: tuple(each[WEBVIEW]) for name, each in lists.items() if WEBVIEW in each}
    return replace(planned, outcome=done.outcome, **{"before": None, "after": None} | told)


def _with_losses(
    outcome: DomainOutcome, online: Online, accepted: AcceptedWrites, allowed: Kinds | None
) -> Step[DomainOutcome]:
    """Return the outcome with the next release's losses, unless they are more than is allowed.

    The list that the write leaves, and domains that it takes off, are ours.
    """
    before, after = (None if each is None else frozenset(each) for each in (outcome.before, outcome.after))
    put_on, off = (after or frozenset()), (before or frozenset()) - (after if after is not None else before or set())
    asked_off = ((accepted.past.asked_off.get(WEBVIEW) or frozenset()) | off) - put_on
    past = replace(accepted.past, asked_off={**accepted.past.asked_off, WEBVIEW: asked_off})
    is_direct = isinstance(outcome, DirectDomainOutcome)
    changed = {"direct" if is_direct else "api": {WEBVIEW: after}}
    offline, _ = yield from going_offline(outcome.appid, online, past, changed=changed, registered=accepted.registered)
    step = "setwebviewdomain_directly" if is_direct else "setwebviewdomain"
    refuse_losses(step, outcome.appid, offline, allowed)
    return outcome.with_losses(offline)


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


def _read_back(
    appid: str,
    action: Action,
    wanted: Sequence[WebviewDomain],
    before: frozenset[str] | None,
    accepted: AcceptedWrites,
    errcode: int,
) -> Step[frozenset[str] | None]:
    """Read the own list behind its write past lag; raise if WeChat tells it, and it is not what was wanted.

    :param errcode: of the answer to the write.
    """
    platform = (yield from read_platform_hosts()) if action is None else None

    def differs(after: frozenset[str] | None) -> WxaStateError:
        said = Text("write_changed_nothing", errcode=errcode) if errcode else Text("write_was_accepted")
        left = remaining(action, wanted, after or (), platform)
        return WxaStateError(
            Text("webview_domains_differ", answer=said),
            values={"action": action or "left out", "differs by": left, "list": in_order(after)},
            why=Text("nothing_to_change_although_different") if errcode else Text("change_was_not_applied"),
            **_ENDPOINT.named(appid),
        )

    own: Watched[frozenset[str] | None] = Watched(
        _ENDPOINT.name,
        appid,
        read=partial(_read_list, appid, action, accepted),
        is_done=lambda after: after is None or not remaining(action, wanted, after, platform),
        noted=in_order,
        # A list that was not told before the write may be the one from before it.
        is_old=(lambda *_: True) if before is None else None,
    )
    return (yield from own.read_back(accepted.with_write(_ENDPOINT.name, in_order(before)), None, differs))


def read_own_domains(appid: str, *, direct: bool = False) -> Step[frozenset[str] | None]:
    """Read a Mini Program's own list; ``None`` when the answer has no list: WeChat's pages do not promise one.

    :param direct: that of direct mode.
    """
    reply = yield setwebviewdomain_directly(appid, "get") if direct else setwebviewdomain(appid, "get")
    entries = reply.answer.get("webviewdomain")
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
    wanted = _checked_hosts(action, hosts, _PLATFORM_ENDPOINT)
    before = yield from read_platform_list()
    known_to_be_done = before.parts != {} and not _undone(action, wanted, before)
    if only_if_empty and before.published:
        if not wanted <= before.published:
            raise WxaStateError(
                Text("platform_list_is_not_empty"),
                values={"to register": ", ".join(sorted(wanted)), **_shown(before)},
                **_PLATFORM_ENDPOINT.named(),
            )
        known_to_be_done = True
    if action == "get" or known_to_be_done:
        return _outcome(PlatformOutcome, action, before)
    if approval is not None:
        # A retry: one version is as it was approved to become, and only the other one lags behind.
        done = before.parts.keys() - set(_undone(action, wanted, before))
        lists = {part: version for part, version in before.to_json().items() if part not in done}
        yield from approved(replace(approval, about={**approval.about, **lists}))
    reply, lost = yield from sent(modify_wxa_jump_domain(action, wanted).knowing(before.to_json()))
    if reply and (invalid := normalised_hosts(reply.answer.get("invalid_wxa_jump_h5_domain", ""))):
        raise WxaPlatformSetupError(
            Text("verification_file_is_missing"),
            errcode=0,
            values=(yield from _unverified(invalid)),
            next_step=Text("serve_the_verification_file"),
            **_PLATFORM_ENDPOINT.named(),
        )
    try:
        after = yield from _platform_read_back(_PLATFORM_ENDPOINT, action, wanted, before, lost)
    except WxaBusyError as error:
        if error is lost:  # -1 says "busy" as well as "the file could not be fetched"
            error.values |= yield from _unverified(wanted)
            then = Text("serve_the_verification_file")
            error.next_step = Text("and_if_it_stays", first=error.next_step, then=then)
        raise
    return _outcome(PlatformOutcome, action, before, after)


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
    wanted = _checked_hosts(action, hosts, endpoint)
    before = yield from read_platform_list(endpoint)
    if action == "get" or (before.parts and not _undone(action, wanted, before)):
        return _outcome(PlatformServerOutcome, action, before)
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
            **endpoint.named(),
        )
    after = yield from _platform_read_back(endpoint, action, wanted, before, lost)
    return _outcome(PlatformServerOutcome, action, before, after)


def _platform_read_back(
    endpoint: Endpoint, action: str, wanted: frozenset[str], before: PlatformList, lost: WxaError | None
) -> Step[PlatformList]:
    """Read the list past lag after a write that may be lost; raise if it is not as ``action`` wants it."""
    seen = (yield from recall()).with_write(endpoint.name, before.to_json())

    def is_old(after: PlatformList, seen: AcceptedWrites) -> bool:
        left = _undone(action, wanted, after)
        return all(seen.explains(endpoint.name, in_order(after.parts[part]), part) for part in left)

    def differs(after: PlatformList) -> WxaStateError:
        return WxaStateError(
            Text("platform_list_differs", endpoint=endpoint.name),
            values={"action": action, "hosts": ", ".join(sorted(wanted)), **_shown(after)},
            **endpoint.named(),
        )

    platform = Watched(
        endpoint.name,
        None,
        read=partial(read_platform_list, endpoint),
        is_done=lambda after: not _undone(action, wanted, after),
        noted=PlatformList.to_json,
        is_old=is_old,
    )
    if isinstance(lost, WxaBusyError):  # WeChat has answered, and mostly done nothing: nobody waits for that
        seen = NOTHING_ACCEPTED
    return (yield from platform.read_back(seen, lost, differs))


def _outcome(kind: type[P], action: str, before: PlatformList, after: PlatformList | None = None) -> P:
    """Return the outcome of a change; without ``after``: nothing was sent."""
    now = after or before
    lists = in_order(now.testing), in_order(now.published)
    added, removed = in_order(now.hosts - before.hosts), in_order(before.hosts - now.hosts)
    return kind("registered" if after else "unchanged", action, *lists, added=added, removed=removed)


def _undone(action: str, wanted: frozenset[str], platform: PlatformList) -> list[str]:
    """Return the versions of the platform list that are not yet as ``action`` wants them."""
    return [part for part, hosts in platform.parts.items() if left_to_do(action, wanted, hosts)]


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
    listed = Watched(
        _PLATFORM_ENDPOINT.name,
        None,
        read=read_platform_list,
        is_done=lambda platform: all(domain.covered_by(platform.hosts) for domain in wanted),
        noted=lambda platform: in_order(platform.hosts),
        is_old=_is_old,
    )
    platform = yield from if_known(listed.past_lag(accepted))
    if platform is None:
        return None
    if listed.lags(platform, accepted):
        raise listed.late(platform, "release")
    return platform.hosts if platform.parts else None


def _checked_hosts(action: str, hosts: str | Iterable[Any], endpoint: Endpoint) -> frozenset[str]:
    hosts = [hosts] if isinstance(hosts, str) else list(hosts)
    wanted, problems = read_hosts(hosts)
    problems += action_problems("hosts", action, hosts, known=LIST_ACTIONS)
    if problems:
        raise WxaSpecError(Text("hosts_are_refused", endpoint=endpoint.name), problems, **endpoint.named())
    return frozenset(wanted)


def _shown(platform: PlatformList) -> dict[str, str]:
    return {
        part: "unknown" if hosts is None else ", ".join(hosts) or "none" for part, hosts in platform.to_json().items()
    }


def _explain_uncovered(error: WxaApiError, wanted: Sequence[WebviewDomain]) -> Step[None]:
    """Say in 89021 which hosts the platform list does not cover, or both usual causes."""
    platform = yield from read_platform_hosts()
    missing = [domain.host for domain in wanted if not domain.covered_by(platform or ())]
    if platform is not None and missing:
        error.values["not on the platform list"] = ", ".join(missing)
        error.why, error.next_step = Text("hosts_are_not_on_the_platform_list"), Text("register_hosts_or_correct")
        return
    read = Text("list_could_not_be_read") if platform is None else Text("list_covers_all")
    error.values["sent"] = ", ".join(domain.origin for domain in wanted)
    error.why = Text("domain_refusal_explained", meaning=error.why, read=read)


def _unverified(hosts: Collection[str]) -> Step[dict[str, str]]:
    """Return the values of an error about hosts of the platform list whose file WeChat could not fetch."""
    file = yield from verification_file(get_domain_confirmfile(), [f"https://{host}" for host in hosts])
    return {"hosts": ", ".join(sorted(hosts)), **file}

"""Domains that WeChat lets be changed 50 times a month: server domains, and business domains in direct mode.

Each step compares before it writes, and writes only what differs: an accepted change is counted whatever it changes.
A list that went online in direct mode is never ``set`` again, which would take it offline until the next release: the
difference is added and deleted instead.

Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomaindirectly
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.call import Call, Reply, named_in_full, refused_values
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, budget_used_up
from airflow_wxa.api.errcodes import DOMAIN_NOT_ON_PLATFORM, NO_DOMAIN_TO_MODIFY, WEBVIEW_CONFIRM_FILE_CHECK_FAILED
from airflow_wxa.api.server_domain import (
    SERVER_KINDS,
    DomainLists,
    bare_hosts,
    get_effective_domain,
    lists_in,
    modify_domain,
    modify_domain_directly,
)
from airflow_wxa.api.webview_domain import (
    LIST_ACTIONS,
    WebviewDomain,
    action_problems,
    get_effective_webviewdomain,
    get_webviewdomain_confirmfile,
    left_to_do,
    setwebviewdomain_directly,
)
from airflow_wxa.errors import (
    WxaApiError,
    WxaError,
    WxaInputError,
    WxaPlatformSetupError,
    WxaSpecError,
    WxaStateError,
    WxaTransportError,
)
from airflow_wxa.steps.lag import Watched, read_past_lag, recall, sent
from airflow_wxa.steps.online import SERVER_LIST, read_platform_list
from airflow_wxa.steps.outcome import DomainListsOutcome, Step, changes_left
from airflow_wxa.steps.remote_state import if_known
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


_WEBVIEW: Final = "webviewdomain"


@dataclass(frozen=True, slots=True)
class _Way:
    """One endpoint that changes lists of a Mini Program.

    :param kinds: its lists.
    :param call: of appid, action and lists.
    :param is_direct: its lists are effective after a release, and ``set`` takes online domains offline.
    """

    endpoint: Endpoint
    kinds: tuple[str, ...]
    call: Callable[[str, str, DomainLists | None], Call]
    is_direct: bool


_PLATFORM: Final = _Way(CATALOGUE["modify_domain"], tuple(SERVER_KINDS), modify_domain, is_direct=False)
_DIRECT: Final = _Way(CATALOGUE["modify_domain_directly"], tuple(SERVER_KINDS), modify_domain_directly, is_direct=True)
_DIRECT_WEBVIEW: Final = _Way(
    CATALOGUE["setwebviewdomain_directly"],
    (_WEBVIEW,),
    lambda appid, action, lists: setwebviewdomain_directly(appid, action, (lists or {}).get(_WEBVIEW, ())),
    is_direct=True,
)


def configure_server_domains(
    appid: str, action: str, wanted: DomainLists, *, direct: bool = False
) -> Step[DomainListsOutcome]:
    """Bring server domains to the state that ``action`` names, and read them back; nothing is sent in vain.

    :param action: ``"add"``, ``"delete"``, ``"set"`` (kinds that ``wanted`` leaves out stay as they are) or ``"get"``.
    :param wanted: kind → domains.
    :param direct: in direct mode, past the platform's list; effective after a release.
    :raises WxaSpecError: domains where the action takes none, or none where it needs some.
    :raises WxaInputError: WeChat took only a part, or nothing: each value that it did not take is named.
    :raises WxaPlatformSetupError: the same, for want of an ICP filing; or domains that the platform has not registered.
    :raises WxaQuotaError: this month has not so many changes left; nothing was sent.
    :raises WxaStateError: accepted, but the lists read back are not what was wanted.
    :raises WxaBusyError: the lists read back still are as they were before an accepted write.
    """
    way = _DIRECT if direct else _PLATFORM
    return (yield from _configured(way, appid, action, wanted))


def configure_webview_domains_directly(
    appid: str, action: str, wanted: Iterable[WebviewDomain] = ()
) -> Step[DomainListsOutcome]:
    """Bring business domains in direct mode to the state that ``action`` names; effective after a release.

    Arguments and errors are those of :func:`configure_server_domains`, and:

    :raises WxaPlatformSetupError: 86103, a host does not serve the verification file: the error hands it over.
    """
    origins = frozenset(domain.origin for domain in wanted)
    lists = {_WEBVIEW: origins} if origins else {}
    try:
        return (yield from _configured(_DIRECT_WEBVIEW, appid, action, lists))
    except WxaApiError as error:
        if error.errcode == WEBVIEW_CONFIRM_FILE_CHECK_FAILED:
            told = yield from verification_file(get_webviewdomain_confirmfile(appid), origins)
            error.values |= told if "file name" in told else {}
        raise


def read_effective_server_domains(appid: str) -> Step[Mapping[str, DomainLists]]:
    """Read the server domains by origin of the setting, e.g. ``direct_domain``, and as ``effective_domain``."""
    reply = yield get_effective_domain(appid)
    return {name: lists_in(reply.answer[name]) for name in _EFFECTIVE if name in reply.answer}


_EFFECTIVE: Final = ("mp_domain", "third_domain", "direct_domain", "effective_domain")


def prove_server_domains(appid: str, wanted: DomainLists) -> Step[DomainLists]:
    """Prove that server domains are effective online, and return those that are.

    :raises WxaTransportError: WeChat does not say what is effective.
    :raises WxaStateError: wanted ones are not effective after half a minute either; each is named.
    """

    def read() -> Step[DomainLists]:
        return (yield from read_effective_server_domains(appid)).get("effective_domain", {})

    effective = yield from read_past_lag(read, lambda lists: _left("add", wanted, lists) != {})
    endpoint = CATALOGUE["get_effective_domain"]
    if not effective:
        raise WxaTransportError(Text("effective_server_domains_are_unknown"), **endpoint.named(appid))
    if missing := _left("add", wanted, effective):
        raise WxaStateError(
            Text("server_domains_are_not_effective"),
            values=named_in_full(_plain(missing)),
            **endpoint.named(appid),
        )
    return effective


def _configured(way: _Way, appid: str, action: str, wanted: DomainLists) -> Step[DomainListsOutcome]:
    _check_asked(way, appid, action, wanted)
    before = yield from _read_lists(way, appid)
    outcome = DomainListsOutcome("unchanged", appid, way.endpoint.name, action, _plain(before), _plain(before))
    if action == "get" or not _left(action, wanted, before):
        return outcome
    writes = yield from _writes(way, appid, action, wanted, before)
    changes = yield from changes_left(way.endpoint.name, appid)
    if len(writes) > changes:
        raise budget_used_up(way.endpoint, appid, changes, len(writes))
    seen, state = (yield from recall(appid)), before
    lost: WxaError | None = None
    for each in writes:
        try:
            reply, unsure = yield from sent(each.knowing(_plain(state)))
        except WxaApiError as error:
            if not (yield from _is_there_already(way, appid, action, wanted, error)):
                raise
        else:
            lost = unsure or lost
            if reply:
                _refuse_a_part(way, appid, reply, changes - 1)
        seen = seen.with_write(way.endpoint.name, _plain(state))
        state = _added(state, each)  # a replica may show what lies between two writes

    lists = Watched(
        way.endpoint.name,
        appid,
        read=partial(_read_lists, way, appid),
        is_done=lambda lists: not _left(action, wanted, lists, told=True),
        noted=_plain,
    )
    after = yield from lists.read_back(seen, lost, partial(_differs, way, appid, action, wanted))
    added, removed = _plain(_less(after, before)), _plain(_less(before, after))
    return replace(outcome, outcome="configured", after=_plain(after), added=added, removed=removed)


def _check_asked(way: _Way, appid: str, action: str, wanted: DomainLists) -> None:
    replaces_some = action == "set" and wanted != {} and not wanted.keys() >= set(way.kinds)
    named = _plain(wanted) if replaces_some or any(wanted.values()) else {}
    problems = action_problems("domains", action, named, known=LIST_ACTIONS)
    if problems:
        raise WxaSpecError(
            Text("domains_must_be_named", endpoint=way.endpoint.name), problems, **way.endpoint.named(appid)
        )


def _read_lists(way: _Way, appid: str) -> Step[DomainLists]:
    reply = yield way.call(appid, "get", None)
    return lists_in(reply.answer, way.kinds)


def _left(action: str, wanted: DomainLists, lists: DomainLists, *, told: bool = False) -> dict[str, frozenset[str]]:
    """Return by which domains lists are not yet what ``action`` wants; nothing when it is done.

    :param told: only of lists that WeChat told; else one that it did not tell counts as wholly different, unless it
        is to be empty and others were told: empty lists come as ``null``, and one of 50 changes would go each time.
    """
    left = {}
    for kind, domains in wanted.items():
        if kind not in lists:
            differing = domains
            if told or (not domains and (action != "set" or lists)):
                continue
        else:
            differing = left_to_do(action, domains, lists[kind])
        if differing or kind not in lists:
            left[kind] = differing
    return left


def _writes(way: _Way, appid: str, action: str, wanted: DomainLists, before: DomainLists) -> Step[list[Call]]:
    """Return the calls to send: only for differences, and no ``set`` of an online list in direct mode."""
    missing = {kind: domains - before.get(kind, frozenset()) for kind, domains in wanted.items()}
    surplus = {kind: before.get(kind, frozenset()) - domains for kind, domains in wanted.items()}
    if action == "add":
        return [way.call(appid, "add", missing)]
    if action == "delete":
        present = {kind: domains & before.get(kind, domains) for kind, domains in wanted.items()}
        return [way.call(appid, "delete", present)]
    if way.is_direct and (yield from _is_online(way, appid, before)):
        parts: tuple[tuple[str, DomainLists], ...] = (("add", missing), ("delete", surplus))
        return [way.call(appid, part, lists) for part, lists in parts if any(lists.values())]
    unknown = [kind for kind in way.kinds if kind not in wanted and kind not in before]
    whole = {kind: wanted.get(kind, before.get(kind, frozenset())) for kind in way.kinds}
    problems = [Text("list_is_not_told", kind=kind) for kind in unknown]
    if not any(whole.values()):
        problems.append(Text("set_would_delete_all"))
    if problems:
        raise WxaSpecError(
            Text("all_six_lists_must_be_named", endpoint=way.endpoint.name), problems, **way.endpoint.named(appid)
        )
    return [way.call(appid, "set", whole)]


def _is_online(way: _Way, appid: str, lists: DomainLists) -> Step[bool]:
    """Tell whether something of a direct list is effective; if WeChat does not say, or not the list, it may be."""
    if way.kinds == (_WEBVIEW,):
        reply = yield get_effective_webviewdomain(appid)
        told = reply.answer.get("effective_webviewdomain")
        effective = {} if told is None else lists_in({_WEBVIEW: told}, (_WEBVIEW,))
    else:
        effective = (yield from read_effective_server_domains(appid)).get("effective_domain", {})
    untold = [kind for kind in way.kinds if kind not in lists]
    if any(kind not in effective or effective[kind] for kind in untold):
        return True
    return any(domains and domains & effective.get(kind, domains) for kind, domains in lists.items())


def _is_there_already(way: _Way, appid: str, action: str, wanted: DomainLists, error: WxaApiError) -> Step[bool]:
    """Tell whether a refusal means that nothing is left to do; else say in it what the platform has not registered."""
    if error.errcode not in {NO_DOMAIN_TO_MODIFY, DOMAIN_NOT_ON_PLATFORM} or way.is_direct:
        return False
    if error.errcode == NO_DOMAIN_TO_MODIFY:
        lists = yield from _read_lists(way, appid)
        if lists and not _left(action, wanted, lists, told=True):
            return True
    platform = yield from if_known(read_platform_list(SERVER_LIST))
    if platform is None:
        return False  # no platform token here: WeChat's own words must do
    absent = bare_hosts(wanted) - platform.hosts
    # No page says whether an entry covers what is below it, as it does for business domains: those without come first.
    alone = {host for host in absent if not WebviewDomain(host).covered_by(platform.hosts)}
    error.values |= named_in_full({"not on the platform's list": sorted(alone or absent)})
    return False


def _refuse_a_part(way: _Way, appid: str, reply: Reply, changes: int) -> None:
    """Raise if WeChat names domains that it did not take although it answered 0."""
    refused = refused_values(way.call(appid, "get", None), reply)
    if not refused:
        return
    refusal = WxaPlatformSetupError if set(refused) == {"no_icp_domain"} else WxaInputError
    raise refusal(
        what=Text("domains_were_taken_in_part", endpoint=way.endpoint.name, count=sum(map(len, refused.values()))),
        errcode=0,
        values={**named_in_full(refused), "changes left this month": max(0, changes)},
        **way.endpoint.named(appid),
    )


def _differs(way: _Way, appid: str, action: str, wanted: DomainLists, after: DomainLists) -> WxaStateError:
    left = _left(action, wanted, after, told=True)
    return WxaStateError(
        Text("domain_lists_differ", endpoint=way.endpoint.name),
        values={"action": action, **named_in_full(_plain(left))},
        **way.endpoint.named(appid),
    )


def verification_file(asked: Call, origins: Iterable[str]) -> Step[dict[str, str]]:
    """Return, for an error's values, which file has to be where, and the file if WeChat tells it."""
    reply = yield from if_known(_told(asked))
    file = reply.answer if reply else {}
    name = file.get("file_name", "")
    told = {"file name": name, "file content": file.get("file_content", "")} if name else {}
    return told | named_in_full({"put it at": [f"{origin}/{name}" for origin in sorted(origins)]})


def _told(asked: Call) -> Step[Reply]:
    return (yield asked)


def _added(lists: DomainLists, write: Call) -> DomainLists:
    """Return the lists behind an ``add``; behind anything else as they were: nothing follows it."""
    if write.body["action"] != "add":
        return lists
    return {kind: domains | frozenset(write.body.get(kind, ())) for kind, domains in lists.items()}


def _less(these: DomainLists, those: DomainLists) -> dict[str, frozenset[str]]:
    """Return what stands in these lists and not in those, of lists that both tell."""
    left = {kind: domains - those[kind] for kind, domains in these.items() if kind in those}
    return {kind: domains for kind, domains in left.items() if domains}


def _plain(lists: DomainLists) -> dict[str, list[str]]:
    return {kind: sorted(domains) for kind, domains in lists.items()}

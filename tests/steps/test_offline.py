"""What a release takes away, cell by cell: which list an entry stands on, what covers it, what was asked for."""

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_wxa.steps.offline import WEBVIEW, Lists, Offline, Online, Past, goes_offline, joined, was_lost

H5, APP = "https://h5.merchant.example", "https://app.merchant.example"
SERVER = "wss://ws.merchant.example:8443"
HOSTS = frozenset({"merchant.example"})


def lists(**entries: Any) -> Lists:
    return Lists(**{"api": set(), "own": set(), "direct": set(), "effective": set()} | entries)


def now(kind: str = WEBVIEW, *, hosts: Any = frozenset(), **entries: Any) -> Online:
    return Online({kind: lists(**entries)}, hosts=hosts, server_hosts=hosts)


def released(hosts: Any = HOSTS, **entries: Any) -> Past:
    return Past(released=now(hosts=hosts, **entries))


OWN: dict[str, Any] = {"own": {H5}, "effective": {H5}}
API: dict[str, Any] = {"api": {H5}, "effective": {H5}}
EXACTLY = frozenset({"h5.merchant.example"})
CELLS: dict[str, tuple[Online, Past, tuple[Any, Any, Any]]] = {
    # lost, asked off, not proven
    "nothing online": (now(), Past(), ((), (), ())),
    "own, covered by itself": (now(hosts=EXACTLY, **OWN), Past(), ((), (), ())),
    "own, under a parent": (now(hosts=HOSTS, **OWN), Past(), ((H5,), (), ())),
    "own, uncovered": (now(**OWN), Past(), ((H5,), (), ())),
    "own, survived under a parent": (now(hosts=HOSTS, **OWN), released(**OWN), ((), (), ())),
    "own, survived under a parent that has gone": (now(**OWN), released(**OWN), ((H5,), (), ())),
    "own, new since that release": (now(hosts=HOSTS, **OWN), released(), ((H5,), (), ())),
    "API, covered": (now(hosts=HOSTS, **API), Past(), ((), (), ())),
    "API, uncovered": (now(**API), Past(), ((H5,), (), ())),
    "API, covered by a sibling only": (now(hosts={"app.merchant.example"}, **API), Past(), ((H5,), (), ())),
    "direct": (now(direct={H5}, effective={H5}), Past(), ((), (), ())),
    "on no list any more": (now(effective={H5}), Past(), ((H5,), (), ())),
    "asked off": (now(effective={H5}), Past(asked_off={WEBVIEW: frozenset({H5})}), ((), (H5,), ())),
    "asked off, and put back": (now(hosts=HOSTS, **API), Past(asked_off={WEBVIEW: frozenset({H5})}), ((), (), ())),
    "effective before the commit only": (now(), Past(noted={WEBVIEW: frozenset({H5})}), ((H5,), (), ())),
    "platform's list unreadable: API": (now(hosts=None, **API), Past(), ((), (), (H5,))),
    "platform's list unreadable: API, a 0 proves it": (
        now(hosts=None, **API),
        Past(proven=frozenset({H5})),
        ((), (), ()),
    ),
    "platform's list unreadable: own": (now(hosts=None, **OWN), Past(), ((H5,), (), ())),
    "platform's list unreadable: own, survived": (now(hosts=None, **OWN), released(None, **OWN), ((), (), ())),
    "platform's list read again: own, survived": (now(hosts=HOSTS, **OWN), released(None, **OWN), ((), (), ())),
    "a list is not told": (now(api=None, effective={H5}), Past(), ((), (), (H5,))),
    "a list is not told, another explains": (now(api=None, **OWN), Past(), ((H5,), (), ())),
    "effective is not told": (now(own={H5}, effective=None), Past(), (None, (), ())),
}


@pytest.mark.parametrize("cell", CELLS)
def test_each_cell(cell: str) -> None:
    online, past, (lost, asked, not_proven) = CELLS[cell]
    found = goes_offline(online, past)
    assert found.webviewdomain == lost
    assert found.asked.get(WEBVIEW, ()) == asked
    assert found.not_proven.get(WEBVIEW, ()) == not_proven


#: The platform's hosts, the list that a server domain stands on, and whether it is lost.
SERVER_CELLS = [
    ({"merchant.example"}, {"api": {SERVER}}, False),  # a parent that is registered covers
    ({"example"}, {"own": {SERVER}}, True),
    ({"ws.merchant.example"}, {"own": {SERVER}}, False),
    (set(), {"direct": {SERVER}}, False),
    (set(), {"api": {SERVER}}, True),
]


@pytest.mark.parametrize(("hosts", "entries", "lost"), SERVER_CELLS)
def test_server_domains_likewise_with_their_port(hosts: set[str], entries: dict[str, Any], lost: bool) -> None:
    found = goes_offline(now("wsrequestdomain", hosts=frozenset(hosts), effective={SERVER}, **entries))
    assert (found.servers or {}).get("wsrequestdomain") == ([SERVER] if lost else None)


def test_what_was_read_survives_the_ledger() -> None:
    online = Online(
        {WEBVIEW: Lists(frozenset({H5}), None, frozenset(), frozenset({H5, APP}))},
        hosts=HOSTS,
        asked_off={WEBVIEW: frozenset({APP})},
        allowed={WEBVIEW: frozenset({H5}), "requestdomain": None},
    )
    for each in (online, replace(online, allowed=None)):
        assert Online.from_json(json.loads(json.dumps(each.to_json()))) == each


@pytest.mark.parametrize(("told", "whole"), [({APP}, {APP, H5}), (set(), {H5}), (None, None)])
def test_what_was_effective_before_the_commit_counts_where_a_list_is_told(told: Any, whole: Any) -> None:
    assert joined(now(effective=told), Past(noted={WEBVIEW: frozenset({H5})})).effective == {WEBVIEW: whole}


def test_behind_a_release_lost_is_told_from_asked_off_and_from_not_known() -> None:
    before = {WEBVIEW: frozenset({H5, APP}), "requestdomain": frozenset({"https://a.example"})}
    after = {WEBVIEW: frozenset[str](), "requestdomain": None}
    found = was_lost(before, after, {WEBVIEW: frozenset({APP})})
    assert (found.webviewdomain, found.asked, found.servers) == ((H5,), {WEBVIEW: (APP,)}, None)


def test_what_may_be_lost_is_a_bound() -> None:
    found = Offline({WEBVIEW: (APP, H5), "requestdomain": None})
    assert found.beyond({WEBVIEW: frozenset({H5})}) == {WEBVIEW: [APP]}
    assert found.beyond({WEBVIEW: frozenset({H5, APP})}) == {}
    assert found.beyond({WEBVIEW: None}) == {WEBVIEW: [APP, H5]}  # what was not known permits nothing

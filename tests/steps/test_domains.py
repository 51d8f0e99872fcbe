"""A Mini Program's business domains: written, read back, and the two special roads."""

from typing import Any

import pytest

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import (
    WxaInputError,
    WxaPermissionError,
    WxaPlatformSetupError,
    WxaSpecError,
    WxaStateError,
    WxaUnsupportedAccountError,
)
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import DomainOutcome, configure_domains
from tests.steps.answers import LOST, own, platform
from tests.steps.conftest import Ending, Script, done, stops

A, B, C = (WebviewDomain(f"{name}.example.com") for name in "abc")


OK = {"errcode": 0, "errmsg": "ok"}


def configured(script: Script, action: Any, wanted: Any, *answers: Any, **others: Any) -> DomainOutcome:
    """Configure domains while setwebviewdomain answers so, look by look: read, write, read back."""
    return script.play(configure_domains(APPID, action, wanted), own=answers, **others)


UNKNOWN = OK  # the list is not there: that is not "empty"
PLATFORM = platform("example.com")
SPELT = {"errcode": 0, "webviewdomain": ["https://A.example.com/", "https://b.example.com"]}


def origins(domains: Any) -> tuple[str, ...]:
    return tuple(domain.origin for domain in domains)


UNCHANGED: dict[str, Any] = {"errmsg": "said WeChat rid: 0-1-2", "added": (), "removed": ()}
SPECIAL = [(89020, "platform_list_empty"), (89231, "individual")]
NO_TOKEN = WxaSpecError("no token", ["component_access_token is missing"])
BARE, LONGER = WebviewDomain("example.com"), WebviewDomain("notexample.com")
TESTING, PUBLISHED = "testing_wxa_jump_h5_domain", "published_wxa_jump_h5_domain"
UNREAD: Any = {"before": None, "after": None}
CAUSES = ("a host is not registered on it", "https:// is missing before it", f"sent {A.origin}, {B.origin}")


def refused(wanted: Any, hosts: Any, *told: str) -> tuple[Any, Any, Any, Any, Ending]:
    """Return a row of a 89021; ``hosts``: the platform's list."""
    ending = stops(WxaPlatformSetupError, *told, errcode=89021, errmsg="said WeChat", rid="0-1-2")
    return "add", wanted, [own(), 89021], {"hosts": hosts}, ending


def differs(domain: WebviewDomain) -> Ending:
    told = rf"differs by \['{domain.origin}'\]"
    return stops(WxaStateError, "the list read back is not what was wanted", told, appid=APPID)


#: Action, wanted domains, what setwebviewdomain answers, call by call, and what else; and how it ends.
CONFIGURED: list[tuple[Any, list[WebviewDomain], list[Any], Any, Ending]] = [
    # A list is brought to what the action wants, and read back.
    *[
        (
            action,
            [A, B],
            [own(*before), OK, own(*after)],
            {},
            done("configured", added=origins(added), removed=origins(removed), errmsg="ok", will_be_lost=None),
        )
        for action, before, after, added, removed in (
            ("add", [C], [A, B, C], [A, B], []),
            ("add", [], [A, B], [A, B], []),
            ("set", [C], [A, B], [A, B], [C]),
            ("delete", [A, B, C], [C], [], [A, B]),
        )
    ],
    # The write is the only probe for 89020 that a merchant's token has: it is sent all the same.
    ("add", [A], [own(A), 89019, own(A)], {}, done("unchanged", errcode=89019, **UNCHANGED)),
    ("delete", [A], [own(B), 89022, own(B)], {}, done("unchanged", errcode=89022, **UNCHANGED)),
    ("set", [A, B], [SPELT, 89019, SPELT], {}, done("unchanged", errcode=89019, **UNCHANGED)),
    # Deleting goes on with those that are there when one is not.
    ("delete", [A, B], [own(A, C), 89022, OK, own(C)], {}, done("configured", errcode=0, removed=(A.origin,))),
    *[
        (action, [A, B], [own(C), errcode, own(*after)], {}, differs(by))
        for errcode in (0, 89019)
        for action, after, by in (("add", [A], B), ("set", [A, B, C], C), ("set", [A], B), ("delete", [B, C], B))
    ],
    # A list that WeChat does not show is unknown, never empty.
    ("add", [A], [UNKNOWN, OK, UNKNOWN], {}, done("configured", before=None, after=None, added=(), removed=())),
    ("add", [A], [UNKNOWN, OK, own(A)], {}, done("configured", before=None, after=(A.origin,), added=(), removed=())),
    ("add", [A], [own(B), OK, UNKNOWN], {}, done("configured", before=(B.origin,), after=None, added=(), removed=())),
    ("delete", [A], [UNKNOWN, OK, own()], {}, done("configured", before=None, after=(), added=(), removed=())),
    *[
        ("get", [], [told], {}, done("unchanged", action="get", before=shown, after=shown))
        for told, shown in ((own(B, A), (A.origin, B.origin)), (own(), ()), (UNKNOWN, None))
    ],
    # Without action every platform domain is added, and proved by the platform list, if that can be read.
    (None, [], [own(), OK, own(BARE)], {"hosts": PLATFORM}, done("configured", action=None)),
    *[(None, [], [own(), OK, own(A)], {"hosts": said}, done("configured")) for said in (61014, -1, NO_TOKEN)],
    (None, [], [own(), OK, own(A)], {"hosts": PLATFORM}, differs(BARE)),
    # 89020 and 89231 are roads on whichever call they come.
    *[
        ("add", [A], [*[own(), OK, own(A)][:call], code], {}, done(road, errcode=code, errmsg="said WeChat", **UNREAD))
        for code, road in SPECIAL
        for call in (0, 1, 2)
    ],
    # 89021 names each host that the platform list does not cover, and both usual causes where that does not explain it.
    *[
        refused([A, B, LONGER], hosts, f"list {named}\n", "wxa_platform_domains")
        for hosts, named in (
            ({PUBLISHED: A.host}, f"{B.host}, {LONGER.host}"),
            ({PUBLISHED: BARE.host}, LONGER.host),
            ({PUBLISHED: ""}, f"{A.host}, {B.host}, {LONGER.host}"),
            ({TESTING: BARE.host}, LONGER.host),
            ({TESTING: LONGER.host, PUBLISHED: BARE.host}, LONGER.host),
        )
    ],
    refused([A, B], PLATFORM, *CAUSES, "The platform list covers all of them as read here"),
    *[refused([A, B], each, *CAUSES, "list could not be read here") for each in (61014, -1, NO_TOKEN, LOST)],
    # Any other code fails as itself; a lost answer is raised because the client has repeated the call already.
    ("add", [A], [own(), 89029], {}, stops(WxaInputError, errcode=89029)),
    ("add", [A], [own(), 61007], {}, stops(WxaPermissionError, errcode=61007)),
    ("add", [A], [own(), LOST], {}, stops(LOST)),
]


@pytest.mark.parametrize(("action", "wanted", "answers", "others", "ending"), CONFIGURED)
def test_domains_are_configured_as_wechat_shows_them_in_the_end(
    script: Script, action: Any, wanted: Any, answers: Any, others: Any, ending: Ending
) -> None:
    ending(lambda: configured(script, action, wanted, *answers, **others))
    bodies = script.bodies("setwebviewdomain")
    assert bodies[0] == {"action": "get"}
    write = {"action": action, "webviewdomain": list(origins(wanted))} if action else {}
    assert [body for body in bodies[1:2] if body != write] == []
    assert all(body["webviewdomain"] == [A.origin] for body in bodies[2:-1])
    assert bodies[2:3] == [] or bodies[-1] == {"action": "get"}


@pytest.mark.parametrize(("errcode", "road"), SPECIAL)
def test_a_road_is_an_error_for_whoever_cannot_take_it(errcode: int, road: Any) -> None:
    outcome = DomainOutcome(road, APPID, "add", errcode)
    error = outcome.as_error()
    assert not outcome.is_done
    assert type(error) is (WxaPlatformSetupError if errcode == 89020 else WxaUnsupportedAccountError)
    assert (error.errcode, error.appid, error.endpoint) == (errcode, APPID, "setwebviewdomain")


def test_an_outcome_comes_back_from_json_as_it_was() -> None:
    outcome = DomainOutcome("configured", APPID, "add", before=(), after=(A.origin,), added=(A.origin,))
    assert DomainOutcome.from_json(outcome.to_json()) == outcome
    assert outcome.is_done


#: Action, domains, and why they do not go together.
MISFITS = [
    ("add", [], "webviewdomain = []: action 'add' needs at least one"),
    ("delete", [], "webviewdomain = []: action 'delete' needs at least one"),
    ("set", [], "webviewdomain = []: action 'set' needs at least one"),
    ("get", [A], f"webviewdomain = ['{A.origin}']: action 'get' takes none"),
    (None, [A], f"webviewdomain = ['{A.origin}']: action left out takes none"),
    ("ADD", [A], "action = 'ADD': must be add, delete, set or get, or None"),
    ("all", [], "action = 'all': must be add, delete, set or get, or None"),
    (["add"], [A], "action = ['add']: must be"),
    ("", [], "action = '': must be"),
]


@pytest.mark.parametrize(("action", "wanted", "said"), MISFITS)
def test_domains_and_action_that_do_not_fit_are_refused_before_anything_is_sent(
    script: Script, action: Any, wanted: list[WebviewDomain], said: str
) -> None:
    with pytest.raises(WxaSpecError) as raised:
        script.play(configure_domains(APPID, action, wanted))
    assert [problem.startswith(said) for problem in raised.value.problems] == [True]
    assert "an empty set would delete every domain" in str(raised.value)
    assert script.calls == []

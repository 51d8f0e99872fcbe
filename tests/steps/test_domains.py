"""A Mini Program's business domains: written, read back, and the two special roads."""

from typing import Any

import pytest

from airflow_wxa.api.webview_domain import Action, WebviewDomain
from airflow_wxa.errors import (
    WxaInputError,
    WxaPermissionError,
    WxaPlatformSetupError,
    WxaSpecError,
    WxaStateError,
    WxaTransportError,
    WxaUnsupportedAccountError,
)
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import DomainOutcome, configure_domains
from tests.steps.answers import LOST, own, platform
from tests.steps.conftest import Script

A, B, C = (WebviewDomain(f"{name}.example.com") for name in "abc")


OK = {"errcode": 0, "errmsg": "ok"}


def configured(script: Script, action: Any, wanted: Any, *answers: Any, **others: Any) -> DomainOutcome:
    """Configure domains while setwebviewdomain answers so, look by look: read, write, read back."""
    return script.play(configure_domains(APPID, action, wanted), own=answers, **others)


UNKNOWN = OK  # the list is not there: that is not "empty"
PLATFORM = platform("example.com")
SPELT = {"errcode": 0, "webviewdomain": ["https://A.example.com/", "https://b.example.com"]}


@pytest.mark.parametrize(
    ("action", "before", "after", "added", "removed"),
    [
        ("add", [C], [A, B, C], [A, B], []),
        ("add", [], [A, B], [A, B], []),
        ("set", [C], [A, B], [A, B], [C]),
        ("delete", [A, B, C], [C], [], [A, B]),
    ],
)
def test_a_list_is_brought_to_what_the_action_wants_and_read_back(
    script: Script, action: Action, before: Any, after: Any, added: Any, removed: Any
) -> None:
    outcome = configured(script, action, [A, B], own(*before), OK, own(*after))
    assert outcome.to_json() == {
        "outcome": "configured",
        "appid": APPID,
        "action": action,
        "errcode": 0,
        "errmsg": "ok",
        "before": [domain.origin for domain in before],
        "after": [domain.origin for domain in after],
        "added": [domain.origin for domain in added],
        "removed": [domain.origin for domain in removed],
        "will_be_lost": None,  # WeChat does not tell what is effective
        "not_proven": [],
        "will_be_lost_servers": None,
    }
    assert script.bodies("setwebviewdomain") == [
        {"action": "get"},
        {"action": action, "webviewdomain": [A.origin, B.origin]},
        {"action": "get"},
    ]


@pytest.mark.parametrize(
    ("action", "wanted", "answers", "outcome", "errcode", "removed"),
    [
        # The write is the only probe for 89020 that a merchant's token has: it is sent all the same.
        ("add", [A], [own(A), 89019, own(A)], "unchanged", 89019, ()),
        ("delete", [A], [own(B), 89022, own(B)], "unchanged", 89022, ()),
        # Deleting goes on with those that are there when one is not.
        ("delete", [A, B], [own(A, C), 89022, OK, own(C)], "configured", 0, (A.origin,)),
        ("set", [A, B], [SPELT, 89019, SPELT], "unchanged", 89019, ()),
    ],
)
def test_a_list_that_matches_is_unchanged_by_what_wechat_answers(
    script: Script, action: Any, wanted: Any, answers: Any, outcome: str, errcode: int, removed: Any
) -> None:
    found = configured(script, action, wanted, *answers)
    assert (found.outcome, found.errcode, found.added, found.removed) == (outcome, errcode, (), removed)
    assert not errcode or found.errmsg.startswith("said WeChat")
    sent = script.bodies("setwebviewdomain")[1:-1]
    assert [len(each["webviewdomain"]) for each in sent] == ([2, 1] if removed else [len(wanted)])


@pytest.mark.parametrize("errcode", [0, 89019])
@pytest.mark.parametrize(
    ("action", "after", "said"),
    [
        ("add", [A], [B.origin]),
        ("set", [A, B, C], [C.origin]),
        ("set", [A], [B.origin]),
        ("delete", [B, C], [B.origin]),
    ],
)
def test_a_list_read_back_that_is_not_what_was_wanted_is_an_error(
    script: Script, action: Action, after: list[WebviewDomain], said: list[str], errcode: int
) -> None:
    with pytest.raises(WxaStateError, match="the list read back is not what was wanted") as raised:
        configured(script, action, [A, B], own(C), errcode, own(*after))
    assert f"differs by {said}" in str(raised.value)
    assert raised.value.appid == APPID


@pytest.mark.parametrize(
    ("before", "after"), [(UNKNOWN, UNKNOWN), (UNKNOWN, own(A)), (own(B), UNKNOWN), (UNKNOWN, own())]
)
def test_a_list_that_wechat_does_not_show_is_unknown_never_empty(
    script: Script, before: dict[str, Any], after: dict[str, Any]
) -> None:
    action: Action = "delete" if after == own() else "add"
    outcome = configured(script, action, [A], before, OK, after)
    assert outcome.outcome == "configured"
    assert (outcome.before is None, outcome.after is None) == (before is UNKNOWN, after is UNKNOWN)
    assert (outcome.added, outcome.removed) == ((), ())


@pytest.mark.parametrize(("told", "shown"), [(own(B, A), (A.origin, B.origin)), (own(), ()), (UNKNOWN, None)])
def test_get_reads_and_writes_nothing(script: Script, told: Any, shown: Any) -> None:
    outcome = configured(script, "get", (), told)
    assert (outcome.outcome, outcome.action, outcome.before, outcome.after) == ("unchanged", "get", shown, shown)


@pytest.mark.parametrize(
    ("platform_said", "after"),
    [
        (PLATFORM, own(WebviewDomain("example.com"))),
        # A platform's list that cannot be read stops nothing.
        *((said, own(A)) for said in (61014, -1, WxaSpecError("no token", ["component_access_token is missing"]))),
    ],
)
def test_without_action_every_platform_domain_is_added_and_proved_by_the_platform_list(
    script: Script, platform_said: Any, after: Any
) -> None:
    outcome = configured(script, None, (), own(), OK, after, hosts=platform_said)
    assert (outcome.outcome, outcome.action) == ("configured", None)
    assert script.bodies("setwebviewdomain")[1] == {}
    with pytest.raises(WxaStateError, match=r"action left out, differs by \['https://example.com'\]"):
        configured(script, None, (), own(), OK, own(A), hosts=PLATFORM)


@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize(
    ("errcode", "road", "cls"),
    [(89020, "platform_list_empty", WxaPlatformSetupError), (89231, "individual", WxaUnsupportedAccountError)],
)
def test_89020_and_89231_are_roads_on_whichever_call_they_come_and_errors_for_whoever_cannot_take_them(
    script: Script, errcode: int, road: str, cls: type[Exception], call: int
) -> None:
    answers: list[Any] = [own(), OK, own(A)][:call]
    outcome = configured(script, "add", [A], *answers, errcode)
    assert (outcome.outcome, outcome.errcode, outcome.errmsg) == (road, errcode, "said WeChat")
    assert (outcome.before, outcome.after, outcome.is_done) == (None, None, False)
    error = outcome.as_error()
    assert (type(error), error.errcode, error.appid, error.endpoint) == (cls, errcode, APPID, "setwebviewdomain")


def test_an_outcome_comes_back_from_json_as_it_was() -> None:
    outcome = DomainOutcome("configured", APPID, "add", before=(), after=(A.origin,), added=(A.origin,))
    assert DomainOutcome.from_json(outcome.to_json()) == outcome
    assert outcome.is_done


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"published_wxa_jump_h5_domain": "a.example.com"}, "b.example.com, notexample.com"),
        ({"published_wxa_jump_h5_domain": "example.com"}, "notexample.com"),
        ({"published_wxa_jump_h5_domain": ""}, "a.example.com, b.example.com, notexample.com"),
        ({"testing_wxa_jump_h5_domain": "example.com"}, "notexample.com"),
        (
            {"testing_wxa_jump_h5_domain": "notexample.com", "published_wxa_jump_h5_domain": "example.com"},
            "notexample.com",
        ),
    ],
)
def test_89021_names_each_host_that_the_platform_list_does_not_cover(
    script: Script, told: dict[str, str], named: str
) -> None:
    with pytest.raises(WxaPlatformSetupError) as raised:
        configured(script, "add", [A, B, WebviewDomain("notexample.com")], own(), 89021, hosts=told)
    assert raised.value.values["not on the platform list"] == named
    assert raised.value.errcode == 89021
    assert (raised.value.errmsg, raised.value.rid) == ("said WeChat", "0-1-2")
    assert "wxa_platform_domains" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (PLATFORM, "The platform list covers all of them as read here"),
        *((said, "The platform list could not be read here") for said in (61014, -1, WxaSpecError("no", []), LOST)),
    ],
)
def test_89021_names_both_usual_causes_when_the_list_does_not_explain_it(script: Script, said: Any, why: str) -> None:
    with pytest.raises(WxaPlatformSetupError) as raised:
        configured(script, "add", [A, B], own(), 89021, hosts=said)
    both = ("a host is not registered on it", "https:// is missing before it", f"sent {A.origin}, {B.origin}")
    assert [each for each in (why, *both) if each not in str(raised.value)] == []


@pytest.mark.parametrize(
    ("said", "cls", "told"),
    # A lost answer is raised because the client has repeated the call already.
    [(89029, WxaInputError, "89029"), (61007, WxaPermissionError, "61007"), (LOST, WxaTransportError, "got no answer")],
)
def test_any_other_code_fails_as_itself(script: Script, said: Any, cls: type[Exception], told: str) -> None:
    with pytest.raises(cls, match=told):
        configured(script, "add", [A], own(), said)


@pytest.mark.parametrize(
    ("action", "wanted", "said"),
    [
        ("add", [], "webviewdomain = []: action 'add' needs at least one"),
        ("delete", [], "webviewdomain = []: action 'delete' needs at least one"),
        ("set", [], "webviewdomain = []: action 'set' needs at least one"),
        ("get", [A], f"webviewdomain = ['{A.origin}']: action 'get' takes none"),
        (None, [A], f"webviewdomain = ['{A.origin}']: action left out takes none"),
        ("ADD", [A], "action = 'ADD': must be add, delete, set or get, or None"),
        ("all", [], "action = 'all': must be add, delete, set or get, or None"),
        (["add"], [A], "action = ['add']: must be"),
        ("", [], "action = '': must be"),
    ],
)
def test_domains_and_action_that_do_not_fit_are_refused_before_anything_is_sent(
    script: Script, action: Any, wanted: list[WebviewDomain], said: str
) -> None:
    with pytest.raises(WxaSpecError) as raised:
        script.play(configure_domains(APPID, action, wanted))
    assert [problem.startswith(said) for problem in raised.value.problems] == [True]
    assert "an empty set would delete every domain" in str(raised.value)
    assert script.calls == []

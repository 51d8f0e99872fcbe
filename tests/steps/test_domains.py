"""A Mini Program's business domains: written, read back, and the two special roads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from tests.steps.answers import own, platform

if TYPE_CHECKING:
    from tests.steps.conftest import Script

A, B, C = (WebviewDomain(f"{name}.example.com") for name in "abc")


OK = {"errcode": 0, "errmsg": "ok"}


def configured(script: Script, action: Any, wanted: Any, *answers: Any, **others: Any) -> DomainOutcome:
    """Configure domains while setwebviewdomain answers so, look by look: read, write, read back."""
    return script.play(configure_domains(APPID, action, wanted), setwebviewdomain=answers, **others)


UNKNOWN = OK  # the list is not there: that is not "empty"
PLATFORM = platform("example.com")


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
    script: Script,
    action: Action,
    before: list[WebviewDomain],
    after: list[WebviewDomain],
    added: list[WebviewDomain],
    removed: list[WebviewDomain],
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


def test_a_list_that_matches_already_is_written_all_the_same(script: Script) -> None:
    # The write is the only probe for 89020 that a merchant's token has.
    outcome = configured(script, "add", [A], own(A), 89019, own(A))
    assert (outcome.outcome, outcome.errcode, outcome.added) == ("unchanged", 89019, ())
    assert outcome.errmsg.startswith("said WeChat")


def test_deleting_what_is_not_there_is_unchanged(script: Script) -> None:
    outcome = configured(script, "delete", [A], own(B), 89022, own(B))
    assert (outcome.outcome, outcome.errcode) == ("unchanged", 89022)


def test_deleting_goes_on_with_those_that_are_there_when_one_is_not(script: Script) -> None:
    outcome = configured(script, "delete", [A, B], own(A, C), 89022, OK, own(C))
    assert (outcome.outcome, outcome.removed) == ("configured", (A.origin,))
    assert script.bodies("setwebviewdomain")[2] == {"action": "delete", "webviewdomain": [A.origin]}


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


def test_entries_with_slash_and_capitals_are_the_same_domains(script: Script) -> None:
    answer = {"errcode": 0, "webviewdomain": ["https://A.example.com/", "https://b.example.com"]}
    outcome = configured(script, "set", [A, B], answer, 89019, answer)
    assert outcome.after == (A.origin, B.origin)


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


def test_get_reads_and_writes_nothing(script: Script) -> None:
    outcome = configured(script, "get", (), own(B, A))
    assert (outcome.outcome, outcome.action) == ("unchanged", "get")
    assert outcome.before == outcome.after == (A.origin, B.origin)


def test_get_of_an_empty_list_is_a_list(script: Script) -> None:
    assert configured(script, "get", (), own()).after == ()


def test_get_without_a_list_is_unknown_and_stops_nothing(script: Script) -> None:
    outcome = configured(script, "get", (), UNKNOWN)
    assert (outcome.outcome, outcome.before, outcome.after) == ("unchanged", None, None)


def test_without_action_every_platform_domain_is_added_and_proved_by_the_platform_list(script: Script) -> None:
    outcome = configured(
        script, None, (), own(), OK, own(WebviewDomain("example.com")), modify_wxa_jump_domain=[PLATFORM]
    )
    assert (outcome.outcome, outcome.action) == ("configured", None)
    assert script.bodies("setwebviewdomain")[1] == {}


def test_without_action_a_platform_domain_that_lacks_is_named(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"action left out, differs by \['https://example.com'\]"):
        configured(script, None, (), own(), OK, own(A), modify_wxa_jump_domain=[PLATFORM])


@pytest.mark.parametrize("said", [61014, -1, WxaSpecError("no token", ["component_access_token is missing"])])
def test_without_action_a_platform_list_that_cannot_be_read_stops_nothing(script: Script, said: Any) -> None:
    outcome = configured(script, None, (), own(), OK, own(A), modify_wxa_jump_domain=[said])
    assert outcome.outcome == "configured"


@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize(("errcode", "road"), [(89020, "platform_list_empty"), (89231, "individual")])
def test_89020_and_89231_are_roads_on_whichever_call_they_come(
    script: Script, errcode: int, road: str, call: int
) -> None:
    answers: list[Any] = [own(), OK, own(A)][:call]
    outcome = configured(script, "add", [A], *answers, errcode)
    assert (outcome.outcome, outcome.errcode, outcome.errmsg) == (road, errcode, "said WeChat")
    assert (outcome.before, outcome.after, outcome.is_done) == (None, None, False)


@pytest.mark.parametrize(("errcode", "cls"), [(89020, WxaPlatformSetupError), (89231, WxaUnsupportedAccountError)])
def test_a_road_is_an_error_for_whoever_cannot_take_it(errcode: int, cls: type[Exception]) -> None:
    road = "platform_list_empty" if errcode == 89020 else "individual"
    error = DomainOutcome(road, APPID, "add", errcode=errcode, errmsg="said WeChat").as_error()  # type: ignore[arg-type]
    assert type(error) is cls
    assert (error.errcode, error.appid, error.endpoint) == (errcode, APPID, "setwebviewdomain")


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
        configured(script, "add", [A, B, WebviewDomain("notexample.com")], own(), 89021, modify_wxa_jump_domain=[told])
    assert raised.value.values["not on the platform list"] == named
    assert raised.value.errcode == 89021
    assert (raised.value.errmsg, raised.value.rid) == ("said WeChat", "0-1-2")
    assert "wxa_platform_domains" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (61014, "The platform list could not be read here"),
        (-1, "The platform list could not be read here"),
        (WxaSpecError("no token", ["missing"]), "The platform list could not be read here"),
        (WxaTransportError("lost"), "The platform list could not be read here"),
        (PLATFORM, "The platform list covers all of them as read here"),
    ],
)
def test_89021_names_both_usual_causes_when_the_list_does_not_explain_it(script: Script, said: Any, why: str) -> None:
    with pytest.raises(WxaPlatformSetupError) as raised:
        configured(script, "add", [A, B], own(), 89021, modify_wxa_jump_domain=[said])
    text = str(raised.value)
    assert why in text
    assert "a host is not registered on it" in text
    assert "https:// is missing before it" in text
    assert f"sent {A.origin}, {B.origin}" in text


@pytest.mark.parametrize(("errcode", "cls"), [(89029, WxaInputError), (61007, WxaPermissionError)])
def test_any_other_code_fails_as_itself(script: Script, errcode: int, cls: type[Exception]) -> None:
    with pytest.raises(cls, match=str(errcode)):
        configured(script, "add", [A], own(), errcode)


def test_a_lost_answer_is_raised_because_the_client_has_repeated_it_already(
    script: Script, lost: WxaTransportError
) -> None:
    with pytest.raises(WxaTransportError):
        configured(script, "add", [A], own(), lost)


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
    assert script.calls == []


def test_an_empty_set_says_that_it_would_delete_every_domain(script: Script) -> None:
    with pytest.raises(WxaSpecError, match="an empty set would delete every domain"):
        script.play(configure_domains(APPID, "set"))

"""Lists that may be changed 50 times a month: compared first, sent once, and a part is not the whole."""

from typing import Any

import pytest

from airflow_wxa import errors
from airflow_wxa.api.server_domain import SERVER_KINDS
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaInputError, WxaPlatformSetupError, WxaQuotaError, WxaSpecError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import (
    DomainListsOutcome,
    configure_server_domains,
    configure_webview_domains_directly,
    modify_platform_server_domains,
    prove_server_domains,
)
from tests.steps.answers import LOST
from tests.steps.conftest import Ending, Script, done, stops

A, B, C = (f"https://{name}.example.com" for name in "abc")
EMPTY: dict[str, Any] = {kind: [] for kind in SERVER_KINDS}
NONE, NULLS = frozenset[str](), {"errcode": 0, **dict.fromkeys(SERVER_KINDS)}


def six(**lists: list[str]) -> dict[str, Any]:
    """Return an answer with all six lists."""
    return {"errcode": 0, **EMPTY, **lists}


ONLINE_A = {"effective_domain": six(requestdomain=[A])}


def request(*domains: str) -> dict[str, frozenset[str]]:
    """Return what is wanted of one list."""
    return {"requestdomain": frozenset(domains)}


def directly(script: Script, action: str, wanted: Any, *answers: Any, **others: Any) -> DomainListsOutcome:
    """Configure business domains in direct mode, likewise; an answer is the list, or what is said instead."""
    said = [{"webviewdomain": each} if isinstance(each, list) else each for each in answers]
    step = configure_webview_domains_directly(APPID, action, [WebviewDomain.parse(each) for each in wanted])
    return script.play(step, direct=said, **others)


def configured(script: Script, action: str, wanted: Any, *answers: Any, **others: Any) -> DomainListsOutcome:
    """Configure server domains while modify_domain answers so, look by look: read, write, read back."""
    return script.play(configure_server_domains(APPID, action, wanted), modify_domain=answers, **others)


LACKS = "not on the platform's list"


def registered(hosts: str) -> dict[str, Any]:
    """Return the platform's list as it can be read."""
    return {"modify_wxa_server_domain": {"testing_wxa_server_domain": hosts}}


HAS_A, UNCHANGED, CONFIGURED = six(requestdomain=[A]), done("unchanged"), done("configured")
HAS_BOTH = six(requestdomain=[A, B])
FOUR: dict[str, Any] = {kind: [] for kind in SERVER_KINDS if kind[:3] not in ("udp", "tcp")}
#: Action, wanted domains, what modify_domain answers, call by call, and what else; and how it ends.
LISTS: list[tuple[str, Any, list[Any], Any, Ending]] = [
    # What is so already is not sent; empty lists that come as null cost no change.
    ("add", request(A), [HAS_BOTH], {}, UNCHANGED),
    ("delete", request(C), [HAS_BOTH], {}, UNCHANGED),
    ("set", request(A, B), [HAS_BOTH], {}, UNCHANGED),
    ("set", dict.fromkeys(SERVER_KINDS, NONE) | request(A), [NULLS | {"requestdomain": [A]}], {}, UNCHANGED),
    # A set without a list that WeChat does not tell is refused.
    ("set", request(B), [FOUR], {}, stops(WxaSpecError, r"was sent\)\n  - udpdomain: .*\n  - tcpdomain: .*\n  [^-]")),
    # 85017 is success only where everything is there; a host that the platform lacks is named where that can be read.
    ("add", request(A), [six(), 85017, HAS_A, HAS_A], {}, CONFIGURED),
    ("add", request(A), [six(), 85017, six()], registered("b.org"), stops(WxaStateError, rf"{LACKS} a\.example\.com")),
    # One that no entry covers comes first; without such, one that an entry above it covers.
    *[
        ("add", request(A, B), [six(), 85018], registered(hosts), stops(WxaPlatformSetupError, rf"{LACKS} b\.example"))
        for hosts in ("a.example.com;x.org", "a.example.com;example.com")
    ],
    # A lost answer is read back and never repeated.
    ("add", request(A), [six(), LOST, HAS_A], {}, CONFIGURED),
    ("add", request(A), [six(), LOST, *[six()] * 6], {}, stops(LOST)),
]


@pytest.mark.parametrize(("action", "wanted", "answers", "others", "ending"), LISTS)
def test_lists_are_written_once_and_only_if_they_differ(
    script: Script, action: str, wanted: Any, answers: Any, others: Any, ending: Ending
) -> None:
    ending(lambda: configured(script, action, wanted, *answers, **others))


#: Action, wanted domains, what is sent, and what is read back where that is more.
CHANGES = [
    ("add", request(A, B), {"requestdomain": [B]}, {"requestdomain": [A, B], "udpdomain": ["udp://u.org"]}),
    ("delete", request(A, C), {"requestdomain": [A]}, {"udpdomain": ["udp://u.org"]}),
    ("set", request(B), {"requestdomain": [B], "udpdomain": ["udp://u.org"]}, None),
]


@pytest.mark.parametrize(("action", "wanted", "sent", "has"), CHANGES)
def test_only_differences_are_sent_and_sets_whole(
    script: Script, action: str, wanted: Any, sent: Any, has: Any
) -> None:
    after = six(**(has or sent))
    outcome = configured(script, action, wanted, six(requestdomain=[A], udpdomain=["udp://u.org"]), after, after)
    assert outcome.outcome == "configured"
    assert script.bodies("modify_domain")[1] == {"action": action, **EMPTY, **sent}


#: Domains that WeChat names beside errcode 0, and the error that this is.
LEFT_OUT = [
    *[({f"invalid_{kind}": [f"{scheme}://a.org"]}, WxaInputError) for kind, scheme in SERVER_KINDS.items()],
    ({"invalid_uploaddomain": [A], "no_icp_domain": [B]}, WxaInputError),
    ({"no_icp_domain": [A, C]}, WxaPlatformSetupError),
    ({"no_icp_domain": [f"https://{'x' * 50}.n{number}.org" for number in range(60)]}, WxaPlatformSetupError),
]


@pytest.mark.parametrize(("named", "kind"), LEFT_OUT)
@pytest.mark.parametrize("direct", [False, True])
def test_a_part_is_no_success_and_each_value_is_named(script: Script, named: Any, kind: Any, direct: bool) -> None:
    said: Any = {"modify_domain_directly" if direct else "modify_domain": [six(), six(requestdomain=[B], **named)]}
    with pytest.raises(kind, match="took only a part") as refused:
        script.play(configure_server_domains(APPID, "add", request(A, B), direct=direct), left=7, **said)
    told = str(refused.value)
    assert [value for values in named.values() for value in values if value not in told] == []
    assert "changes left this month 6" in told
    assert not refused.value.retryable


@pytest.mark.parametrize("value", ["a.org;b.org", ["a.org", "b.org"]])
def test_a_part_of_the_platforms_list_is_no_success_either(script: Script, value: Any) -> None:
    step = modify_platform_server_domains("add", ["a.org", "b.org", "c.org"])
    said = [{"testing_wxa_server_domain": ""}, {"errcode": 0, "invalid_wxa_server_domain": value}]
    with pytest.raises(WxaInputError, match=r"(?s)only a part.*a\.org, b\.org"):
        script.play(step, modify_wxa_server_domain=said)


def test_the_published_version_is_changed_where_there_is_one(script: Script) -> None:
    def added(*told: Any) -> Any:
        return script.play(modify_platform_server_domains("add", ["a.org"]), modify_wxa_server_domain=told)

    one = {"testing_wxa_server_domain": "a.org", "errcode": 0}
    outcome = added({}, one, one)
    assert (outcome.outcome, outcome.published) == ("registered", None)
    both = {**one, "published_wxa_server_domain": "a.org"}
    added({**both, "published_wxa_server_domain": ""}, both, both)
    sent = script.bodies("modify_wxa_server_domain")
    assert [sent[place]["is_modify_published_together"] for place in (1, -2)] == [False, True]


@pytest.mark.parametrize("left", [0, 1])
def test_what_the_month_does_not_hold_is_not_begun(script: Script, left: int) -> None:
    told = {"modify_domain_directly": six(requestdomain=[A]), "get_effective_domain": ONLINE_A}
    with pytest.raises(WxaQuotaError, match=f"not sent: {left} of 50 .* left this month, it takes 2"):
        script.play(configure_server_domains(APPID, "set", request(B), direct=True), left=left, **told)
    with pytest.raises(WxaQuotaError, match="not sent: 0 of 50"):
        script.play(modify_platform_server_domains("add", ["a.org"]), left=0, modify_wxa_server_domain=[{}])


ADD_THEN_DELETE = [("add", [C]), ("delete", [A])]
UNTOLD: list[dict[str, Any]] = [{"errcode": 0}, {"webviewdomain": None}, {"webviewdomain": {}}]


#: The direct list, what is effective, the writes for B and C, and the list as it is read back.
DIRECT = [
    ([A, B], {"effective_webviewdomain": [A, B]}, ADD_THEN_DELETE, [[B, C]]),
    # What lies between two writes is lag: a look from before both, between them, and behind both.
    ([A, B], {"effective_webviewdomain": [A, B]}, ADD_THEN_DELETE, [[A, B], [A, B, C], [B, C]]),
    ([A, B], {}, ADD_THEN_DELETE, [[B, C]]),  # WeChat does not say: it may be online
    ([A, B], {"effective_webviewdomain": []}, [("set", [B, C])], [[B, C]]),
    # A list that WeChat does not tell is not set.
    *[
        (each, effective, [("add", [B, C])], [[B, C]])
        for each in UNTOLD
        for effective in ({"effective_webviewdomain": [A]}, {})
    ],
]


@pytest.mark.parametrize(("before", "told", "sent", "after"), DIRECT)
def test_a_direct_list_that_is_online_is_not_set(script: Script, before: Any, told: Any, sent: Any, after: Any) -> None:
    outcome = directly(script, "set", [B, C], before, *[{}] * len(sent), *after, effective=told)
    bodies = [(body["action"], body.get("webviewdomain")) for body in script.bodies("setwebviewdomain_directly")]
    assert bodies == [("get", None), *sent, *[("get", None)] * len(after)]
    is_told = isinstance(before, list)
    assert outcome.after == {"webviewdomain": [B, C]}
    assert (outcome.added, outcome.removed) == tuple({"webviewdomain": [each]} if is_told else {} for each in (C, A))


@pytest.mark.parametrize(("before", "sent"), [([A], ["add", "delete"]), (None, ["add"])])
def test_direct_server_lists_that_are_online_or_not_told_are_not_set(script: Script, before: Any, sent: Any) -> None:
    step = configure_server_domains(APPID, "set", request(B), direct=True)
    answers = [six(requestdomain=before), *[{}] * len(sent), six(requestdomain=[B])]
    script.play(step, modify_domain_directly=answers, get_effective_domain=ONLINE_A)
    assert [body["action"] for body in script.bodies("modify_domain_directly")] == ["get", *sent, "get"]


def test_a_file_that_wechat_cannot_read_is_handed_over(script: Script) -> None:
    told = r"(?s)file name a1\.txt, file content 0f.*https://a\.example\.com/a1\.txt"
    file = {"file_name": "a1.txt", "file_content": "0f"}
    with pytest.raises(WxaPlatformSetupError, match=told):
        directly(script, "add", [A], [], 86103, get_webviewdomain_confirmfile=file)
    with pytest.raises(WxaPlatformSetupError) as raised:
        directly(script, "add", [A], [], 86103, get_webviewdomain_confirmfile=LOST)
    assert "put it at" not in raised.value.values


def test_server_domains_that_are_not_effective_are_named(script: Script) -> None:
    def proven(wanted: Any, *told: Any) -> Any:
        return script.play(prove_server_domains(APPID, wanted), get_effective_domain=told)["requestdomain"]

    assert proven(request(A), ONLINE_A) == proven(request(A), {}, ONLINE_A) == {A}
    with pytest.raises(WxaStateError, match=r"not effective\n.*requestdomain https://b\.example\.com"):
        proven(request(A, B), *[ONLINE_A] * 6)
    with pytest.raises(errors.WxaTransportError, match="did not say which server domains"):
        proven(request(A), *[{}] * 6)


#: Action and domains that do not go together.
MISFITS = [
    ("add", {}),
    ("delete", request()),
    ("set", {}),
    ("set", dict.fromkeys(SERVER_KINDS, frozenset())),
    ("get", request(A)),
    ("all", request(A)),
]


@pytest.mark.parametrize(("action", "wanted"), MISFITS)
def test_what_makes_no_sense_is_refused_before_any_call(script: Script, action: str, wanted: Any) -> None:
    with pytest.raises(WxaSpecError, match="modify_domain refused"):
        script.play(configure_server_domains(APPID, action, wanted))
    assert script.calls == []


@pytest.mark.parametrize(
    "told", ["xn--fsqu00a.cn", "HTTPS://XN--FSQU00A.cn./", "https://例子.cn", "https://xn--fsqu00a.cn:443"]
)
def test_a_direct_domain_is_there_however_wechat_writes_it(script: Script, told: str) -> None:
    assert directly(script, "add", ["https://例子.cn"], [told]).outcome == "unchanged"

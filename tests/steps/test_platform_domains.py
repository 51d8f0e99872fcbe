"""The platform's own list: read first, changed once, and the verification file handed over."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaPlatformSetupError, WxaSpecError, WxaStateError, WxaTransportError
from airflow_wxa.steps import PlatformOutcome, modify_platform_domains, modify_platform_server_domains
from tests.steps.conftest import Script

FILE = {"errcode": 0, "file_name": "AbCdEf1234.txt", "file_content": "0123456789abcdef"}


def lists(testing: str, published: str | None = None) -> dict[str, Any]:
    answer = {"testing_wxa_jump_h5_domain": testing}
    return answer if published is None else answer | {"published_wxa_jump_h5_domain": published}


OK = {"errcode": 0}
UNTOLD = OK


def changed(
    script: Script, action: Any, hosts: Any, *answers: Any, only_if_empty: bool = False, **others: Any
) -> PlatformOutcome:
    """Change the platform's list, which answers so, look by look: read, write, read back."""
    step = modify_platform_domains(action, hosts, only_if_empty=only_if_empty)
    return script.play(step, hosts=answers, **others)


def test_hosts_are_added_to_both_versions_and_read_back(script: Script) -> None:
    after = lists(*["a.com;b.example.com;c.example.com"] * 2)
    outcome = changed(script, "add", ["B.example.com", "c.example.com"], lists("a.com", "a.com"), OK, after)
    assert outcome.to_json() == {
        "outcome": "registered",
        "action": "add",
        "testing": ["a.com", "b.example.com", "c.example.com"],
        "published": ["a.com", "b.example.com", "c.example.com"],
        "added": ["b.example.com", "c.example.com"],
        "removed": [],
    }
    assert script.bodies("modify_wxa_jump_domain")[1] == {
        "action": "add",
        "wxa_jump_h5_domain": "b.example.com;c.example.com",
        "is_modify_published_together": True,
    }


@pytest.mark.parametrize(
    ("action", "before", "after", "added", "removed"),
    [
        ("add", lists(""), lists("b.com"), ("b.com",), ()),  # never published: a testing version only
        # One version that differs is enough to write.
        ("add", lists("b.com", ""), lists("b.com", "b.com"), ("b.com",), ()),
        ("add", lists("", "b.com"), lists("b.com", "b.com"), (), ()),
        ("delete", lists("b.com", ""), lists("", ""), (), ()),
        ("set", lists("b.com", "b.com;c.com"), lists("b.com", "b.com"), (), ("c.com",)),
        ("set", lists("a.com", "a.com"), lists("b.com", "b.com"), ("b.com",), ("a.com",)),
        ("delete", UNTOLD, UNTOLD, (), ()),  # unknown, never empty
    ],
)
def test_a_list_of_which_a_version_differs_is_written(
    script: Script, action: Any, before: Any, after: Any, added: Any, removed: Any
) -> None:
    outcome = changed(script, action, "b.com", before, OK, after)
    assert (outcome.outcome, outcome.added, outcome.removed) == ("registered", added, removed)
    assert (outcome.published is None) == ("published_wxa_jump_h5_domain" not in after)


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("add", lists("b.com;c.com", "b.com;c.com")),
        ("add", lists("b.com")),
        ("delete", lists("c.com", "c.com")),
        ("delete", lists("", "")),
        ("set", lists("b.com", "b.com")),
        ("get", lists("b.com;a.com", "")),
    ],
)
def test_a_list_that_is_as_wanted_is_not_written(script: Script, action: Any, told: Any) -> None:
    outcome = changed(script, action, () if action == "get" else ["b.com"], told)
    assert (outcome.outcome, outcome.added, outcome.removed) == ("unchanged", (), ())
    assert len(script.calls) == 1


def test_a_host_that_could_not_be_verified_hands_over_the_file(script: Script) -> None:
    invalid = OK | {"invalid_wxa_jump_h5_domain": "c.com"}
    with pytest.raises(WxaPlatformSetupError, match="could not be fetched") as raised:
        changed(script, "add", ["b.com", "c.com"], lists("", ""), invalid, get_domain_confirmfile=FILE)
    assert raised.value.values == {
        "hosts": "c.com",
        "file name": "AbCdEf1234.txt",
        "file content": "0123456789abcdef",
        "put it at": "https://c.com/AbCdEf1234.txt",
    }
    assert "exactly this content" in raised.value.next_step
    assert not raised.value.retryable


def test_minus_1_hands_over_the_file_too_and_may_be_repeated(script: Script) -> None:
    with pytest.raises(WxaBusyError, match="errcode -1") as raised:
        changed(script, "add", ["b.com", "c.com"], lists("", ""), -1, lists("", ""), get_domain_confirmfile=[FILE])
    assert raised.value.values["put it at"] == "https://b.com/AbCdEf1234.txt, https://c.com/AbCdEf1234.txt"
    assert raised.value.values["file content"] == "0123456789abcdef"
    assert "exactly this content" in str(raised.value)
    assert raised.value.retryable


@pytest.mark.parametrize("endpoint", ["modify_wxa_jump_domain", "modify_wxa_server_domain"])
@pytest.mark.parametrize("answer", [-1, WxaTransportError("lost")])
@pytest.mark.parametrize("is_done", [True, False])
def test_after_a_lost_answer_a_list_is_read_back(script: Script, endpoint: str, answer: Any, is_done: bool) -> None:
    def said(hosts: str) -> dict[str, Any]:
        field = "wxa_jump_h5_domain" if endpoint == "modify_wxa_jump_domain" else "wxa_server_domain"
        return {f"testing_{field}": hosts, f"published_{field}": hosts}

    make = modify_platform_domains if endpoint == "modify_wxa_jump_domain" else modify_platform_server_domains
    answers: dict[str, Any] = {endpoint: [said("a.com"), answer, said("a.com;b.com" if is_done else "a.com;c.com")]}
    if is_done:
        assert script.play(make("add", ["b.com"]), **answers).added == ("b.com",)
        return
    if answer == -1 and make is modify_platform_domains:
        answers["get_domain_confirmfile"] = [FILE]
    with pytest.raises(WxaBusyError if answer == -1 else WxaTransportError):
        script.play(make("add", ["b.com"]), **answers)


@pytest.mark.parametrize("said", [-1, 40001, WxaTransportError("lost")])
def test_a_file_that_cannot_be_read_leaves_where_to_put_it(script: Script, said: Any) -> None:
    invalid = OK | {"invalid_wxa_jump_h5_domain": "b.com"}
    with pytest.raises(WxaPlatformSetupError) as raised:
        changed(script, "add", ["b.com"], lists("", ""), invalid, get_domain_confirmfile=said)
    assert raised.value.values == {"hosts": "b.com", "put it at": "https://b.com/"}


def test_any_other_refusal_is_raised_as_itself_and_a_change_that_does_not_show_with_both_lists(script: Script) -> None:
    with pytest.raises(WxaPlatformSetupError, match="61004"):
        changed(script, "add", ["b.com"], lists("", ""), 61004)
    told = r"list read back is not what was wanted[\s\S]*testing m.example.com, published b.example.com"
    with pytest.raises(WxaStateError, match=told):
        changed(script, "add", ["m.example.com"], lists("", ""), OK, lists("m.example.com", "b.example.com"))


@pytest.mark.parametrize(
    ("action", "hosts", "said"),
    [
        ("add", [], "hosts = []: action 'add' needs at least one"),
        ("set", [], "hosts = []: action 'set' needs at least one"),
        ("get", ["b.com"], "hosts = ['b.com']: action 'get' takes none"),
        ("replace", ["b.com"], "action = 'replace': must be add, delete, set or get"),
        ("add", ["https://b.com"], "'https://b.com' is no bare host"),
        ("add", ["b.com:443"], "'b.com:443' is no bare host"),
        ("add", [7], "7 is no text"),
        ("add", "b.com/", "'b.com/' is no bare host"),
    ],
)
def test_what_cannot_be_right_is_not_sent(script: Script, action: Any, hosts: Any, said: str) -> None:
    with pytest.raises(WxaSpecError) as raised:
        script.play(modify_platform_domains(action, hosts))
    assert [problem.startswith(said) for problem in raised.value.problems] == [True]
    with pytest.raises(WxaSpecError) as raised:
        script.play(modify_platform_domains("replace", ["https://b.com", ""]))
    assert len(raised.value.problems) == 3  # reported together
    assert script.calls == []


@pytest.mark.parametrize(
    ("testing", "published", "writes"),
    [("", "", 1), ("", None, 1), ("a.com", None, 1), ("a.com;b.com", "b.com;c.com", 0)],
)
def test_only_an_empty_list_is_filled(script: Script, testing: str, published: Any, writes: int) -> None:
    filled = [OK, lists("b.com", published and "b.com" if published != "" else "b.com")]
    outcome = changed(script, "add", ["b.com"], lists(testing, published), *filled[: 2 * writes], only_if_empty=True)
    assert outcome.outcome == ("registered" if writes else "unchanged")


def test_a_list_that_holds_other_hosts_is_not_written_and_named(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"not empty[\s\S]*published a.com, c.com"):
        changed(script, "add", ["b.com"], lists("", "a.com;c.com"), only_if_empty=True)

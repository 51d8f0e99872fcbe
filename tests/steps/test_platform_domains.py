"""The platform's own list: read first, changed once, and the verification file handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaPlatformSetupError, WxaSpecError, WxaStateError, WxaTransportError
from airflow_wxa.steps import PlatformOutcome, modify_platform_domains, modify_platform_server_domains

if TYPE_CHECKING:
    from tests.steps.conftest import Script

FILE = {"errcode": 0, "file_name": "AbCdEf1234.txt", "file_content": "0123456789abcdef"}


def lists(testing: str, published: str | None = None) -> dict[str, Any]:
    answer = {"testing_wxa_jump_h5_domain": testing}
    return answer if published is None else answer | {"published_wxa_jump_h5_domain": published}


def changed(
    script: Script, action: Any, hosts: Any, *answers: Any, only_if_empty: bool = False, **others: Any
) -> PlatformOutcome:
    """Change the platform's list, which answers so, look by look: read, write, read back."""
    step = modify_platform_domains(action, hosts, only_if_empty=only_if_empty)
    return script.play(step, modify_wxa_jump_domain=answers, **others)


def test_hosts_are_added_to_both_versions_and_read_back(script: Script) -> None:
    outcome = changed(
        script,
        "add",
        ["B.example.com", "c.example.com"],
        lists("a.com", "a.com"),
        {"errcode": 0},
        lists("a.com;b.example.com;c.example.com", "a.com;b.example.com;c.example.com"),
    )
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


def test_a_platform_that_was_never_published_has_a_testing_version_only(script: Script) -> None:
    outcome = changed(script, "add", "b.com", lists(""), {"errcode": 0}, lists("b.com"))
    assert (outcome.testing, outcome.published, outcome.added) == (("b.com",), None, ("b.com",))


@pytest.mark.parametrize(
    ("action", "testing", "published"),
    [
        ("add", "b.com;c.com", "b.com;c.com"),
        ("add", "b.com", None),
        ("delete", "c.com", "c.com"),
        ("delete", "", ""),
        ("set", "b.com", "b.com"),
    ],
)
def test_a_list_that_is_as_wanted_is_not_written(
    script: Script, action: Any, testing: str, published: str | None
) -> None:
    outcome = changed(script, action, ["b.com"], lists(testing, published))
    assert (outcome.outcome, outcome.added, outcome.removed) == ("unchanged", (), ())
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    ("action", "testing", "published", "after"),
    [
        ("add", "b.com", "", "b.com"),
        ("add", "", "b.com", "b.com"),
        ("delete", "b.com", "", ""),
        ("set", "b.com", "b.com;c.com", "b.com"),
    ],
)
def test_one_version_that_differs_is_enough_to_write(
    script: Script, action: Any, testing: str, published: str, after: str
) -> None:
    outcome = changed(script, action, ["b.com"], lists(testing, published), {"errcode": 0}, lists(after, after))
    assert outcome.outcome == "registered"


def test_what_a_set_removes_is_named(script: Script) -> None:
    outcome = changed(script, "set", ["b.com"], lists("a.com", "a.com"), {"errcode": 0}, lists("b.com", "b.com"))
    assert (outcome.added, outcome.removed) == (("b.com",), ("a.com",))


def test_get_reads_and_writes_nothing(script: Script) -> None:
    outcome = changed(script, "get", (), lists("b.com;a.com", ""))
    assert (outcome.outcome, outcome.testing, outcome.published) == ("unchanged", ("a.com", "b.com"), ())


def test_a_host_that_could_not_be_verified_hands_over_the_file(script: Script) -> None:
    with pytest.raises(WxaPlatformSetupError, match="could not be fetched") as raised:
        changed(
            script,
            "add",
            ["b.com", "c.com"],
            lists("", ""),
            {"errcode": 0, "invalid_wxa_jump_h5_domain": "c.com"},
            get_domain_confirmfile=[FILE],
        )
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
def test_after_a_lost_answer_either_list_is_read_back_and_nothing_is_repeated(
    script: Script, endpoint: str, answer: Any, is_done: bool
) -> None:
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
    with pytest.raises(WxaPlatformSetupError) as raised:
        changed(
            script,
            "add",
            ["b.com"],
            lists("", ""),
            {"errcode": 0, "invalid_wxa_jump_h5_domain": "b.com"},
            get_domain_confirmfile=[said],
        )
    assert raised.value.values == {"hosts": "b.com", "put it at": "https://b.com/"}


def test_any_other_refusal_is_raised_as_itself(script: Script) -> None:
    with pytest.raises(WxaPlatformSetupError, match="61004"):
        changed(script, "add", ["b.com"], lists("", ""), 61004)


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
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    script: Script, action: Any, hosts: Any, said: str
) -> None:
    with pytest.raises(WxaSpecError) as raised:
        script.play(modify_platform_domains(action, hosts))
    assert [problem.startswith(said) for problem in raised.value.problems] == [True]
    assert script.calls == []


def test_all_problems_are_reported_together(script: Script) -> None:
    with pytest.raises(WxaSpecError) as raised:
        script.play(modify_platform_domains("replace", ["https://b.com", ""]))  # type: ignore[arg-type]
    assert len(raised.value.problems) == 3


def test_an_accepted_change_that_does_not_show_is_an_error_with_both_lists(script: Script) -> None:
    with pytest.raises(WxaStateError, match="list read back is not what was wanted") as caught:
        changed(
            script,
            "add",
            ["m.example.com"],
            {"testing_wxa_jump_h5_domain": "", "published_wxa_jump_h5_domain": ""},
            {"errcode": 0},
            {"testing_wxa_jump_h5_domain": "m.example.com", "published_wxa_jump_h5_domain": "b.example.com"},
        )

    assert "testing m.example.com, published b.example.com" in str(caught.value)


def test_a_list_that_wechat_does_not_tell_is_unknown_never_empty(script: Script) -> None:
    outcome = script.play(
        modify_platform_domains("delete", ["m.example.com"]), modify_wxa_jump_domain=[{"errcode": 0}] * 3
    )

    assert (outcome.outcome, outcome.testing, outcome.published) == ("registered", None, None)


@pytest.mark.parametrize(
    ("testing", "published", "writes"),
    [("", "", 1), ("", None, 1), ("a.com", None, 1), ("a.com;b.com", "b.com;c.com", 0)],
)
def test_only_an_empty_list_is_filled_and_one_that_holds_all_is_left_as_it_is(
    script: Script, testing: str, published: str | None, writes: int
) -> None:
    filled = [{"errcode": 0}, lists("b.com", published and "b.com" if published != "" else "b.com")]
    outcome = changed(script, "add", ["b.com"], lists(testing, published), *filled[: 2 * writes], only_if_empty=True)
    assert outcome.outcome == ("registered" if writes else "unchanged")


def test_a_list_that_holds_other_hosts_is_not_written_and_named(script: Script) -> None:
    with pytest.raises(WxaStateError, match=r"not empty[\s\S]*published a.com, c.com"):
        changed(script, "add", ["b.com"], lists("", "a.com;c.com"), only_if_empty=True)

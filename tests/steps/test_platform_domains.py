"""The platform's own list: read first, changed once, and the verification file handed over."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaPlatformSetupError, WxaSpecError, WxaStateError
from airflow_wxa.steps import PlatformOutcome, modify_platform_domains, modify_platform_server_domains
from tests.steps.answers import LOST
from tests.steps.conftest import Ending, Script, done, stops

OK = {"errcode": 0}
FILE = OK | {"file_name": "AbCdEf1234.txt", "file_content": "0123456789abcdef"}
HOSTS = ["b.com", "c.com"]


def lists(testing: str, published: str | None = None) -> dict[str, Any]:
    answer = {"testing_wxa_jump_h5_domain": testing}
    return answer if published is None else answer | {"published_wxa_jump_h5_domain": published}


def changed(
    script: Script, *answers: Any, action: Any = "add", hosts: Any = "b.com", if_empty: bool = False, file: Any = ()
) -> PlatformOutcome:
    """Change the platform's list, which answers so, look by look: read, write, read back."""
    step = modify_platform_domains(action, hosts, only_if_empty=if_empty)
    return script.play(step, hosts=answers, get_domain_confirmfile=file)


def test_hosts_are_added_to_both_versions_and_read_back(script: Script) -> None:
    after = lists(*["a.com;b.example.com;c.example.com"] * 2)
    outcome = changed(script, lists("a.com", "a.com"), OK, after, hosts=["B.example.com", "c.example.com"])
    added = ("b.example.com", "c.example.com")
    assert outcome == PlatformOutcome("registered", "add", ("a.com", *added), ("a.com", *added), added)
    assert script.bodies("modify_wxa_jump_domain")[1] == {
        "action": "add",
        "wxa_jump_h5_domain": "b.example.com;c.example.com",
        "is_modify_published_together": True,
    }


EMPTY, B, UNVERIFIED = lists("", ""), lists("b.com", "b.com"), OK | {"invalid_wxa_jump_h5_domain": "c.com"}
ADDED, UNCHANGED = done("registered", added=("b.com",), removed=()), done("unchanged", added=(), removed=())
SERVE = {"hosts": "c.com", "file name": FILE["file_name"], "file content": FILE["file_content"]}
UNREAD = stops(WxaPlatformSetupError, values={"hosts": "c.com", "put it at": "https://c.com/"})
SERVED = stops(
    WxaPlatformSetupError,
    r"could not be fetched[\s\S]*exactly this content",
    values=SERVE | {"put it at": "https://c.com/AbCdEf1234.txt"},
    retryable=False,
)
BOTH_SERVED = r"https://b.com/AbCdEf1234.txt, https://c.com/AbCdEf1234.txt[\s\S]*exactly this content"
DIFFERS = r"list read back is not what was wanted[\s\S]*testing b.com, published d.com"
#: What the list answers, look by look, what is asked of it, and how the change ends.
CHANGES: list[tuple[list[Any], dict[str, Any], Ending]] = [
    # A list of which a version differs is written: one is enough.
    ([lists(""), OK, lists("b.com")], {}, done("registered", added=("b.com",), published=None)),
    ([lists("b.com", ""), OK, B], {}, ADDED),
    ([lists("", "b.com"), OK, B], {}, done("registered", added=(), removed=())),
    ([lists("b.com", ""), OK, EMPTY], {"action": "delete"}, done("registered", removed=(), published=())),
    ([lists("b.com", "b.com;c.com"), OK, B], {"action": "set"}, done("registered", added=(), removed=("c.com",))),
    ([lists("a.com", "a.com"), OK, B], {"action": "set"}, done("registered", added=("b.com",), removed=("a.com",))),
    ([OK, OK, OK], {"action": "delete"}, done("registered", added=(), removed=(), published=None)),  # never empty
    # A list that is as wanted is not written.
    *[([told], {}, UNCHANGED) for told in (lists("b.com;c.com", "b.com;c.com"), lists("b.com"))],
    *[([told], {"action": "delete"}, UNCHANGED) for told in (lists("c.com", "c.com"), EMPTY)],
    ([B], {"action": "set"}, UNCHANGED),
    ([lists("b.com;a.com", "")], {"action": "get", "hosts": ()}, UNCHANGED),
    # Where that is asked for only an empty list is filled; one that holds all is left, another one is named.
    ([EMPTY, OK, B], {"if_empty": True}, ADDED),
    *[([lists(each), OK, lists("b.com")], {"if_empty": True}, done("registered")) for each in ("", "a.com")],
    ([lists("a.com;b.com", "b.com;c.com")], {"if_empty": True}, UNCHANGED),
    ([lists("", "a.com;c.com")], {"if_empty": True}, stops(WxaStateError, r"not empty[\s\S]*published a.com, c.com")),
    # A host that could not be verified hands over the file, or where to put it if that cannot be read; so does -1.
    ([EMPTY, UNVERIFIED], {"hosts": HOSTS, "file": FILE}, SERVED),
    *[([EMPTY, UNVERIFIED], {"hosts": HOSTS, "file": said}, UNREAD) for said in (-1, 40001, LOST)],
    ([EMPTY, -1, EMPTY], {"hosts": HOSTS, "file": FILE}, stops(WxaBusyError, BOTH_SERVED, errcode=-1, retryable=True)),
    # After a lost answer it is read back, and nothing is repeated.
    *[([lists("a.com"), said, lists("a.com;b.com")], {}, done("registered", added=("b.com",))) for said in (-1, LOST)],
    ([lists("a.com"), LOST, lists("a.com;c.com")], {}, stops(LOST)),
    ([lists("a.com"), -1, lists("a.com;c.com")], {"file": FILE}, stops(WxaBusyError, errcode=-1)),
    # Any other refusal is raised as itself, and a change that does not show with both lists.
    ([EMPTY, 61004], {}, stops(WxaPlatformSetupError, errcode=61004)),
    ([EMPTY, OK, lists("b.com", "d.com")], {}, stops(WxaStateError, DIFFERS)),
]


@pytest.mark.parametrize(("answers", "more", "ending"), CHANGES)
def test_the_list_is_changed_once_or_said_why_not(script: Script, answers: Any, more: Any, ending: Ending) -> None:
    ending(lambda: changed(script, *answers, **more))


@pytest.mark.parametrize("said", [-1, LOST])
def test_after_a_lost_answer_the_list_of_server_domains_is_read_back(script: Script, said: Any) -> None:
    def added(shown: str) -> Any:
        told = [
            {"testing_wxa_server_domain": hosts, "published_wxa_server_domain": hosts} for hosts in ("a.com", shown)
        ]
        step = modify_platform_server_domains("add", ["b.com"])
        return script.play(step, modify_wxa_server_domain=[told[0], said, told[1]])

    assert added("a.com;b.com").added == ("b.com",)
    stops(LOST if said is LOST else WxaBusyError)(lambda: added("a.com;c.com"))


@pytest.mark.parametrize("step", [modify_platform_domains, modify_platform_server_domains])
def test_all_that_cannot_be_right_is_named_and_nothing_is_sent(script: Script, step: Any) -> None:
    said = ["'https://b.com' is no bare host", "7 is no text", "action = 'replace': must be add, delete, set or get"]
    with pytest.raises(WxaSpecError) as raised:
        script.play(step("replace", ["https://b.com", 7]))
    assert [
        begin for begin, problem in zip(said, raised.value.problems, strict=True) if problem.startswith(begin)
    ] == said
    with pytest.raises(WxaSpecError, match=r"hosts = \[\]: action 'set' needs at least one"):
        script.play(step("set", []))
    assert script.calls == []

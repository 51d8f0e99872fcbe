"""Every road of the contract's table, run: the state of each task, and what WeChat was asked in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import AuditPlan, Fault
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import lag
from tests.airflow_session import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox
    from tests.airflow_session import Run

    Release = Callable[..., Run]
    Arrange = Callable[[RunningSandbox], object]

TASKS = (
    "check_release",
    "configure_domains",
    "register_platform_domains",
    "configure_domains_again",
    "individual_account",
    "commit_code",
    "wait_for_privacy_scan",
    "submit_audit",
    "wait_for_audit",
    "approve_release",
    "release",
    "verify_release",
)
#: Stages that a run must ask for.
ASKED_FOR = ("check_account", "configure_server_domains", "set_privacy_setting")
LETTERS = {"success": "S", "skipped": "-", "failed": "F", "upstream_failed": "U"}
IN_ORDER = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")
PLATFORM_LIST = "/cgi-bin/component/modify_wxa_jump_domain"
REGISTER = {"on_platform_list_empty": "register"}


def account(sandbox: RunningSandbox) -> MiniProgram:
    return sandbox.world.mini_program(APPID)


def nothing(sandbox: RunningSandbox) -> None:
    """A published platform that holds example.com, and a Mini Program without domains."""


def domain_is_there(sandbox: RunningSandbox) -> None:
    account(sandbox).third_webviewdomain = ["https://m.example.com"]


def another_domain_is_there(sandbox: RunningSandbox) -> None:
    account(sandbox).third_webviewdomain = ["https://other.example.com"]


def platform_list_is_empty(sandbox: RunningSandbox) -> None:
    platform = sandbox.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []


def owner_is_an_individual(sandbox: RunningSandbox) -> None:
    account(sandbox).individual = True


def no_set_is_granted(sandbox: RunningSandbox) -> None:
    account(sandbox).granted_sets = set()


def no_domain_fits(sandbox: RunningSandbox) -> None:
    sandbox.world.webviewdomain_limit = 0


def the_audit_ends(result: Any) -> Arrange:
    def arrange(sandbox: RunningSandbox) -> None:
        account(sandbox).audit = AuditPlan(polls=2, result=result)

    return arrange


def setwebviewdomain_is_answered(errcode: int) -> Arrange:
    def arrange(sandbox: RunningSandbox) -> None:
        sandbox.add_fault(Fault(path="/wxa/setwebviewdomain", kind="errcode_before", errcode=errcode))

    return arrange


def all_of(*arrangements: Arrange) -> Arrange:
    def arrange(sandbox: RunningSandbox) -> None:
        for each in arrangements:
            each(sandbox)

    return arrange


def only_writes_refuse(sandbox: RunningSandbox) -> None:
    sandbox.world.get_refuses = False


empty_and_individual = all_of(platform_list_is_empty, owner_is_an_individual)
rejected = the_audit_ends("rejected")

# The columns: check_release, configure_domains | register_platform_domains, configure_domains_again |
# individual_account | commit_code, wait_for_privacy_scan, submit_audit, wait_for_audit | approve_release, release,
# verify_release | the run.
# fmt: off
ROADS: list[tuple[str, Arrange, dict[str, Any], str]] = [
    ("0",                        nothing, {},                                    "SS -- - SSSS -SS success"),
    ("0 set",                    another_domain_is_there, {"domain_action": "set"}, "SS -- - SSSS -SS success"),
    ("0 delete",                 domain_is_there, {"domain_action": "delete"},   "SS -- - SSSS -SS success"),
    ("get",                      domain_is_there, {"domain_action": "get", "webviewdomain": []},
                                                                                 "SS -- - SSSS -SS success"),
    ("all",                      nothing, {"domain_action": "all", "webviewdomain": []},
                                                                                 "SS -- - SSSS -SS success"),
    ("89019",                    domain_is_there, {},                            "SS -- - SSSS -SS success"),
    ("89022",                    another_domain_is_there, {"domain_action": "delete"},
                                                                                 "SS -- - SSSS -SS success"),
    ("89020 register",           platform_list_is_empty, REGISTER,               "SS SS - SSSS -SS success"),
    ("89020 on writes register", all_of(platform_list_is_empty, only_writes_refuse), REGISTER,
                                                                                 "SS SS - SSSS -SS success"),
    ("89020 stop",               platform_list_is_empty, {},                     "SS FU U UUUU -UU failed"),
    ("89020 on writes stop",     all_of(platform_list_is_empty, only_writes_refuse), {},
                                                                                 "SS FU U UUUU -UU failed"),
    ("89020 register 89231",     empty_and_individual, REGISTER,                 "SS SS S SSSS -SS success"),
    ("89020 register 89231 on writes", all_of(empty_and_individual, only_writes_refuse), REGISTER,
                                                                                 "SS SS S SSSS -SS success"),
    ("89231 go on",              owner_is_an_individual, {},                     "SS -- S SSSS -SS success"),
    ("89231 on writes go on",    all_of(owner_is_an_individual, only_writes_refuse), {},
                                                                                 "SS -- S SSSS -SS success"),
    ("89231 stop",               owner_is_an_individual, {"on_individual": "stop"}, "SS -- F UUUU -UU failed"),
    ("89231 on writes stop",     all_of(owner_is_an_individual, only_writes_refuse), {"on_individual": "stop"},
                                                                                 "SS -- F UUUU -UU failed"),
    ("89020 register 89231 stop", empty_and_individual, REGISTER | {"on_individual": "stop"},
                                                                                 "SS SS F UUUU -UU failed"),
    ("89021",                    nothing, {"webviewdomain": ["https://m.elsewhere.com"]}, "SF UU U UUUU -UU failed"),
    ("89029",                    no_domain_fits, {},                             "SF UU U UUUU -UU failed"),
    ("61007",                    no_set_is_granted, {},                          "SF UU U UUUU -UU failed"),
    ("any other errcode",        setwebviewdomain_is_answered(85004), {},        "SF UU U UUUU -UU failed"),
    ("an errcode of no table",   setwebviewdomain_is_answered(987654), {},       "SF UU U UUUU -UU failed"),
    ("rejected",                 rejected, {},                                   "SS -- - SSSF -UU failed"),
    ("withdrawn",                the_audit_ends("withdrawn"), {},                "SS -- - SSSF -UU failed"),
    ("rejected after register",  all_of(rejected, platform_list_is_empty), REGISTER, "SS SS - SSSF -UU failed"),
    ("rejected of an individual", all_of(rejected, owner_is_an_individual), {},  "SS -- S SSSF -UU failed"),
    ("delayed, then approved",   the_audit_ends("delayed_then_approved"), {},    "SS -- - SSSS -SS success"),
    ("no release",               nothing, {"release": False},                    "SS -- - SSSS --- success"),
    ("no release, approval asked", nothing, {"release": False, "approval": True}, "SS -- - SSSS --- success"),
    ("no release after register", platform_list_is_empty, REGISTER | {"release": False}, "SS SS - SSSS --- success"),
    ("no release of an individual", owner_is_an_individual, {"release": False},  "SS -- S SSSS --- success"),
    ("no release of a rejected one", rejected, {"release": False},               "SS -- - SSSF -UU failed"),
    ("no release, 89231 stop",   owner_is_an_individual, {"release": False, "on_individual": "stop"},
                                                                                 "SS -- F UUUU -UU failed"),
    ("approved",                 nothing, {"approval": True, "answers": "Approve"}, "SS -- - SSSS SSS success"),
    ("refused",                  nothing, {"approval": True, "answers": "Reject"}, "SS -- - SSSS S-- success"),
    ("refused after register",   platform_list_is_empty, REGISTER | {"approval": True, "answers": "Reject"},
                                                                                 "SS SS - SSSS S-- success"),
    ("rejected, approval asked", rejected, {"approval": True},                    "SS -- - SSSF UUU failed"),
    ("refused of an individual", owner_is_an_individual, {"approval": True, "answers": "Reject"},
                                                                                 "SS -- S SSSS S-- success"),
]
# fmt: on


def written(run: Run) -> str:
    letters = "".join(LETTERS[run.states[task_id]] for task_id in TASKS)
    groups = ((0, 2), (2, 4), (4, 5), (5, 9), (9, 12))
    return " ".join([*(letters[begin:end] for begin, end in groups), run.state])


def first_calls(sandbox: RunningSandbox) -> list[str]:
    """The four writes of a release in the order in which each came first."""
    return list(dict.fromkeys(entry.path for entry in calls(sandbox.journal, *IN_ORDER)))


def platform_writes(sandbox: RunningSandbox) -> list[Any]:
    return [entry.body for entry in calls(sandbox.journal, PLATFORM_LIST) if entry.body["action"] != "get"]


# road → what the error of the task that fails must say
SAID = {
    "89020 stop": "errcode 89020",
    "89020 on writes stop": "errcode 89020",
    "89231 stop": "errcode 89231",
    "89231 on writes stop": "errcode 89231",
    "89020 register 89231 stop": "errcode 89231",
    "89021": "not on the platform list m.elsewhere.com",
    "89029": "errcode 89029",
    "61007": "errcode 61007",
    "any other errcode": "errcode 85004",
    "an errcode of no table": "errcode 987654",
    "rejected": "the pages do not match the chosen category",
    "no release of a rejected one": "the pages do not match the chosen category",
    "rejected, approval asked": "the pages do not match the chosen category",
    "no release, 89231 stop": "errcode 89231",
    "rejected after register": "the pages do not match the chosen category",
    "rejected of an individual": "the pages do not match the chosen category",
    "withdrawn": "the audit was withdrawn",
}


@pytest.mark.parametrize(("name", "arrange", "params", "states"), [pytest.param(*road, id=road[0]) for road in ROADS])
def test_each_road_ends_with_the_states_of_the_contract(
    release: Release, wxa_default: RunningSandbox, name: str, arrange: Arrange, params: dict[str, Any], states: str
) -> None:
    arrange(wxa_default)
    run = release(**params)
    assert written(run) == states
    assert sorted(run.states) == sorted((*TASKS, *ASKED_FOR))
    assert {run.states[task_id] for task_id in ASKED_FOR} == {"skipped"}
    # What the params do not ask for is not even started.
    assert {run.tries[task_id] for task_id, state in run.states.items() if state == "skipped"} == {0}
    assert_in_order(run, wxa_default)
    # What a person must fix fails at the first try, and says what it is.
    failed = [task_id for task_id, state in run.states.items() if state == "failed"]
    assert list(run.errors) == failed
    assert [run.tries[task_id] for task_id in failed] == [1] * len(failed)
    assert all(SAID[name] in str(error) for error in run.errors.values())


def assert_in_order(run: Run, sandbox: RunningSandbox) -> None:
    """Domains, code, audit, release; nothing of a task that it did not come to; the platform's list only when meant."""
    succeeded = {task_id for task_id, state in run.states.items() if state == "success"}
    writes = [("commit_code", "/wxa/commit"), ("submit_audit", "/wxa/submit_audit"), ("release", "/wxa/release")]
    assert first_calls(sandbox) == [
        "/wxa/setwebviewdomain",
        *(path for task_id, path in writes if task_id in succeeded),
    ]
    assert len(platform_writes(sandbox)) == ("register_platform_domains" in succeeded)
    assert (account(sandbox).release_info is not None) == ("release" in succeeded)


def test_registration_sends_the_hosts_of_the_domains_published_together(
    release: Release, wxa_default: RunningSandbox
) -> None:
    platform_list_is_empty(wxa_default)
    run = release(on_platform_list_empty="register", webviewdomain=["https://M.Example.com/", "https://a.example.org"])
    assert platform_writes(wxa_default) == [
        {
            "action": "add",
            "wxa_jump_h5_domain": "a.example.org;m.example.com",
            "is_modify_published_together": True,
        }
    ]
    assert run.xcoms["register_platform_domains"]["added"] == ["a.example.org", "m.example.com"]


def test_an_89020_that_outlives_the_registration_fails(
    release: Release, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))
    platform_list_is_empty(wxa_default)
    wxa_default.add_fault(Fault(path="/wxa/setwebviewdomain", kind="errcode_before", errcode=89020, times=99))
    run = release(on_platform_list_empty="register")
    assert written(run) == "SS SF U UUUU -UU failed"
    assert "89020" in str(run.errors["configure_domains_again"])


def test_a_registration_that_lacks_the_verification_file_hands_it_over(
    release: Release, wxa_default: RunningSandbox
) -> None:
    platform_list_is_empty(wxa_default)
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.unverifiable = {"m.example.com"}
    run = release(on_platform_list_empty="register")
    assert written(run) == "SS FU U UUUU -UU failed"
    # WeChat answers -1 then, as it does when it is busy: so it is tried as often as any other task.
    assert run.tries["register_platform_domains"] == 3
    name, content = platform.confirm_file
    for words in (f"file name {name}", f"file content {content}", f"https://m.example.com/{name}"):
        assert words in " ".join(str(run.errors["register_platform_domains"]).split())


@pytest.mark.parametrize("params", [REGISTER, REGISTER | {"on_individual": "stop"}])
def test_marking_the_branch_success_writes_nothing_platform_wide(
    release: Release, wxa_default: RunningSandbox, params: dict[str, Any]
) -> None:
    platform_list_is_empty(wxa_default)
    run = release(mark_success="configure_domains", **params)
    # The wanted domains are not there, so the release stops before it would leave them offline.
    assert written(run) == "SS -- - SSSS -FU failed"
    assert "configure_domains" not in {task_id for task_id, xcom in run.xcoms.items() if xcom}
    assert platform_writes(wxa_default) == []
    assert calls(wxa_default.journal, "/wxa/release") == []
    assert "errcode 89020" in str(run.errors["release"])

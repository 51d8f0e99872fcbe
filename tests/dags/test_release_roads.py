"""Every road of the contract's table, run: the state of each task, and what WeChat was asked in which order.

Then answers that get lost, reads that lag behind a write, runs that come again: nothing is lost, nothing is doubled.
Which answer opens which road is proven in ``tests/steps/test_domains.py``, on whichever call it comes; how a review
ends, in ``tests/sensors``; what a step does about a lost answer and lag, in ``tests/steps``.
"""

from typing import Any, get_args

import pytest

from airflow_wxa.sandbox import AuditPlan, Fault, Looseness
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.steps import lag
from tests.airflow_session import Run
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import (
    ONCE,
    ORIGIN,
    REGISTER,
    Arrange,
    Shop,
    empty_list,
    failure,
    individual,
    letters,
    nothing,
)

#: The tasks of a run in groups, as the states of a road are written.
TASKS = (
    ("check_release", "configure_domains"),
    ("register_platform_domains", "configure_domains_again"),
    ("individual_account",),
    ("commit_code", "wait_for_privacy_scan", "submit_audit", "wait_for_audit"),
    ("approve_release", "release", "verify_release"),
)
#: Stages that a run must ask for.
ASKED_FOR = ("check_account", "configure_server_domains", "set_privacy_setting")
WRITES = dict(zip(("commit_code", "submit_audit", "release"), ONCE, strict=True))
DOMAINS = "/wxa/setwebviewdomain"
STOP = {"on_individual": "stop"}
ASKED = {"approval": True}


def has(origin: str) -> Arrange:
    return lambda shop: shop.account.third_webviewdomain.append(origin)


def rejected(shop: Shop) -> None:
    shop.account.audit = AuditPlan(polls=2, result="rejected")


def refuse_domains(shop: Shop, errcode: int = 85004, times: int = 1) -> None:
    shop.wechat.add_fault(Fault(path=DOMAINS, kind="errcode_before", errcode=errcode, times=times))


def empty_and_individual(shop: Shop) -> None:
    empty_list(shop)
    individual(shop)


# name, the world, the params, the states of TASKS and of the run, what the error of the task that fails must say
# fmt: off
ROADS: list[tuple[str, Arrange, dict[str, Any], str, str]] = [
    ("0",                         nothing, {},                                     "SS -- - SSSS -SS success", ""),
    ("0 set",    has("https://other.example.com"), {"domain_action": "set"},       "SS -- - SSSS -SS success", ""),
    ("0 delete", has(ORIGIN), {"domain_action": "delete"},                         "SS -- - SSSS -SS success", ""),
    ("get",      has(ORIGIN), {"domain_action": "get", "webviewdomain": []},       "SS -- - SSSS -SS success", ""),
    ("all",      nothing, {"domain_action": "all", "webviewdomain": []},           "SS -- - SSSS -SS success", ""),
    ("89019",                     has(ORIGIN), {},                                 "SS -- - SSSS -SS success", ""),
    ("89020 register",            empty_list, REGISTER,                            "SS SS - SSSS -SS success", ""),
    ("89020 stop",                empty_list, {},                                  "SS FU U UUUU -UU failed", "89020"),
    ("89020 register 89231",      empty_and_individual, REGISTER,                  "SS SS S SSSS -SS success", ""),
    ("89231 go on",               individual, {},                                  "SS -- S SSSS -SS success", ""),
    ("89231 stop",                individual, STOP,                                "SS -- F UUUU -UU failed", "89231"),
    ("89020 register 89231 stop", empty_and_individual, REGISTER | STOP,           "SS SS F UUUU -UU failed", "89231"),
    ("89021",    nothing, {"webviewdomain": ["https://m.elsewhere.com"]},          "SF UU U UUUU -UU failed",
     "not on the platform list m.elsewhere.com"),
    ("any other errcode",         refuse_domains, {},                              "SF UU U UUUU -UU failed", "85004"),
    ("rejected",                  rejected, {},                                    "SS -- - SSSF -UU failed",
     "the pages do not match the chosen category"),
    ("rejected, approval asked",  rejected, ASKED,                                 "SS -- - SSSF UUU failed", "pages"),
    ("no release",                nothing, {"release": False},                     "SS -- - SSSS --- success", ""),
    ("no release, approval asked", nothing, {"release": False} | ASKED,            "SS -- - SSSS --- success", ""),
    ("no release of a rejected one", rejected, {"release": False},                 "SS -- - SSSF -UU failed", "pages"),
    ("no release, 89231 stop",    individual, {"release": False} | STOP,           "SS -- F UUUU -UU failed", "89231"),
    ("approved",                  nothing, ASKED | {"answers": "Approve"},         "SS -- - SSSS SSS success", ""),
    ("refused",                   nothing, ASKED | {"answers": "Reject"},          "SS -- - SSSS S-- success", ""),
]
# fmt: on


def written(run: Run) -> str:
    return " ".join([*(letters(run, *group) for group in TASKS), run.state])


@pytest.mark.parametrize(
    ("arrange", "params", "states", "said"), [pytest.param(*road[1:], id=road[0]) for road in ROADS]
)
def test_each_road_ends_with_the_states_of_the_contract(
    shop: Shop, arrange: Arrange, params: dict[str, Any], states: str, said: str
) -> None:
    arrange(shop)
    run = shop.walk(**params)
    assert written(run) == states
    assert sorted(run.states) == sorted((*sum(TASKS, ()), *ASKED_FOR))
    assert {run.states[task_id] for task_id in ASKED_FOR} == {"skipped"}
    # What the params do not ask for is not even started.
    assert {run.tries[task_id] for task_id, state in run.states.items() if state == "skipped"} == {0}
    assert_in_order(run, shop)
    # What a person must fix fails at the first try, and says what it is.
    failed = [task_id for task_id, state in run.states.items() if state == "failed"]
    assert list(run.errors) == failed
    assert [run.tries[task_id] for task_id in failed] == [1] * len(failed)
    assert all(said and said in str(error) for error in run.errors.values())


def assert_in_order(run: Run, shop: Shop) -> None:
    """Domains, code, audit, release; nothing of a task that it did not come to; the platform's list only when meant."""
    sent = [path for task_id, path in WRITES.items() if run.states[task_id] == "success"]
    asked = [each.path for each in shop.journal if each.path in {DOMAINS, *ONCE}]
    assert list(dict.fromkeys(asked)) == [DOMAINS, *sent]
    assert len(shop.writes()) == (run.states["register_platform_domains"] == "success")
    assert bool(shop.online) == (run.states["release"] == "success")


def test_registration_sends_the_hosts_of_all_domains_at_once(shop: Shop) -> None:
    empty_list(shop)
    shop.walk(**REGISTER, webviewdomain=["https://M.Example.com/", "https://a.example.org"])
    assert [each["wxa_jump_h5_domain"] for each in shop.writes()] == ["a.example.org;m.example.com"]


def test_an_89020_that_outlives_the_registration_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))
    empty_list(shop)
    refuse_domains(shop, 89020, times=99)
    run = shop.walk(**REGISTER)
    assert written(run) == "SS SF U UUUU -UU failed"
    assert "89020" in failure(run, "configure_domains_again")


def test_marking_the_branch_success_writes_nothing_platform_wide(shop: Shop) -> None:
    empty_list(shop)
    run = shop.walk(mark_success="configure_domains", **REGISTER)
    # The wanted domains are not there, so the release stops before it would leave them offline.
    assert written(run) == "SS -- - SSSS -FU failed"
    assert not run.xcoms["configure_domains"]
    assert (shop.writes(), shop.journal.count("/wxa/release")) == ([], 0)
    assert "errcode 89020" in failure(run, "release")


def test_a_second_try_of_the_domains_from_before_a_clear_does_not_count(shop: Shop) -> None:
    empty_and_individual(shop)
    run = Stepwise(REGISTER)
    run.go_on(until="commit_code")
    assert run.states["individual_account"] == "success"
    shop.account.individual = False
    run.clear("configure_domains")
    assert run.go_on() == "success"
    assert run.states["individual_account"] == "skipped"
    assert run.xcom("verify_release")["effective"] == [ORIGIN]


# Lost answers, lag, and the same again -------------------------------------------------------------------------------


def released_once(shop: Shop, **params: Any) -> Run:
    run = shop.release(**params)
    assert shop.accepted == dict.fromkeys(ONCE, 1)
    assert (len(shop.account.sheets), shop.online) == (1, "1.4.0")
    assert ORIGIN in shop.account.effective_webviewdomain
    return run


@pytest.mark.parametrize(("kind", "tries"), [("drop_after", 1), ("drop_before", 2)])
def test_only_a_call_that_never_arrived_is_made_again_by_the_tasks_retry(shop: Shop, kind: Any, tries: int) -> None:
    for path in ONCE:
        shop.wechat.add_fault(Fault(path=path, kind=kind))
    run = released_once(shop)
    assert [run.tries[task_id] for task_id in ("commit_code", "submit_audit", "release")] == [tries] * 3


def test_three_tries_is_all_that_a_retryable_error_gets(shop: Shop) -> None:
    shop.wechat.add_fault(Fault(path="/wxa/commit", kind="html_502", times=5))
    run = shop.walk()
    assert "HTTP status 502" in failure(run, "commit_code")
    assert (run.tries["commit_code"], shop.journal.count("/wxa/commit")) == (3, 3)


def test_the_same_version_again_changes_nothing_and_another_one_supersedes_it(shop: Shop) -> None:
    shop.release()
    again = released_once(shop)
    words = {task_id: xcom["outcome"] for task_id, xcom in again.xcoms.items() if isinstance(xcom, dict)}
    assert words["configure_domains"] == words["commit_code"] == "unchanged"
    assert (words["submit_audit"], words["release"]) == ("adopted", "already_released")
    for params in ({"user_version": "1.5.0"}, {"ext_json": {"ext": {"shop": 8}}}):
        before = shop.online
        submitted = shop.release(**params).xcoms["submit_audit"]
        assert submitted.items() >= {"outcome": "submitted", "user_version": shop.online, "superseded": before}.items()
    assert (shop.online, shop.accepted["/wxa/release"]) == ("1.4.0", 3)


#: Lag of each kind, longer than one try reads in a row, and a little of everything at once; the tries that it takes.
LAGS: list[tuple[Looseness, int]] = [
    # A sheet that WeChat gave a number is waited for by the sensor, so its submission is never tried again.
    *((Looseness(lag={kind: len(lag._PAUSES) + 4}), 1 if kind == "audit_sheet" else 2) for kind in get_args(Lag)),
    (Looseness.everything(lag=3), 1),
]


@pytest.mark.parametrize(("loose", "tries"), LAGS, ids=[*get_args(Lag), "a little of everything"])
def test_lag_that_outlives_a_task_meets_its_retry(shop: Shop, loose: Looseness, tries: int) -> None:
    empty_list(shop)  # it is written to, so that it can lag
    shop.wechat.world.loose = loose
    assert max(released_once(shop, **REGISTER).tries.values()) == tries

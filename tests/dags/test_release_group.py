"""The release as a task group, mapped over merchants on all roads: one stops no other, and nothing is unsafe."""

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Param, task, task_group

from airflow_wxa.dags.release_group import release_group
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform
from airflow_wxa.sandbox.platforms import Template
from airflow_wxa.sandbox.world import World
from airflow_wxa.testing import Walk
from tests.airflow_session import calls, register_dag, run_dag, whole_run
from tests.dags.mapped_release import release_listed_shops, release_shops
from tests.dags.worlds import ORIGIN, REGISTER, Shop, letters, succeeded

CONFIGURED, UNCHANGED, EMPTY, INDIVIDUAL, REJECTED = SHOPS = [f"wx000000000000000{number}" for number in range(1, 6)]
OWN = "https://h5.merchant.example"
CODE: dict[str, Any] = {"template_id": 47, "user_version": "1.4.0", "webviewdomain": [ORIGIN]}


@pytest.fixture
def wxa_world() -> World:
    """Return five merchants on five roads: 0, 89019, 89020, 89231, and a review that rejects."""
    hosts = ["example.com"]
    full = Platform(component_appid="wx00000000000000c1", testing=hosts, published=hosts)
    empty = Platform(component_appid="wx00000000000000c2")
    shops = [
        MiniProgram(
            appid=appid,
            component_appid=(empty if appid == EMPTY else full).component_appid,
            authorizer_access_token=f"token-of-{appid}",
            individual=appid == INDIVIDUAL,
            third_webviewdomain=[ORIGIN] if appid == UNCHANGED else [],
            audit=AuditPlan(polls=0, result="rejected" if appid == REJECTED else "approved"),
            scan_polls=0,
        )
        for appid in SHOPS
    ]
    return World(platforms=[full, empty], mini_programs=shops, templates=[Template(template_id=47)])


@pytest.fixture(autouse=True)
def shop(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Hold the tokens of both platforms' merchants in one Connection, and keep a ledger for each test.

    What an earlier one was allowed to take offline counts for the same version.
    """
    shop.connect(authorizer_access_tokens={each.appid: each.fixed_token for each in shop.wechat.world.mini_programs})
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'ledger.db'}")
    return shop


def mapped(shops: list[str] = SHOPS, **given: Any) -> DAG:
    with DAG("mapped_release", schedule=None, default_args={"retries": 0}) as dag:
        release_group.partial(**CODE | given).expand(appid=shops)
    return dag


def online(shop: Shop) -> list[str]:
    return [each.appid for each in shop.wechat.world.mini_programs if each.release_info]


def committed(shop: Shop) -> list[str]:
    return [str(entry.appid) for entry in calls(shop.journal, "/wxa/commit")]


def ends(run: Walk, task_id: str) -> str:
    return letters(run, f"release_group.{task_id}")


def test_five_merchants_take_five_roads_and_none_stops_another(shop: Shop) -> None:
    run = run_dag(mapped(approval=False))
    outcomes = [each["outcome"] for each in run.xcoms["release_group.configure_domains"]]
    assert outcomes == ["configured", "unchanged", "platform_list_empty", "individual", "configured"]
    assert [each["errcode"] for each in run.xcoms["release_group.configure_domains"]][1:4] == [89019, 89020, 89231]
    by_ends = {
        "SSSSS": {"check_release", "configure_domains"},
        "-----": {"check_account", "configure_server_domains", "set_privacy_setting"},
        "SS-SS": {"commit_code", "wait_for_privacy_scan", "submit_audit"},
        "SS-SF": {"wait_for_audit"},
        "----U": {"approve_release"},
        "SS-SU": {"release", "verify_release"},
    }
    names = [task_id.removeprefix("release_group.") for task_id in run.states]
    assert {each: {name for name in names if ends(run, name) == each} for each in by_ends} == by_ends, run.errors
    assert run.state == "failed"
    assert committed(shop) == [CONFIGURED, UNCHANGED, INDIVIDUAL, REJECTED]
    assert online(shop) == [CONFIGURED, UNCHANGED, INDIVIDUAL]
    assert [each and each["effective"] for each in run.xcoms["release_group.verify_release"]][:2] == [[ORIGIN]] * 2


def test_a_rejection_holds_one_merchant_back_by_the_ledger(shop: Shop) -> None:
    shop.wechat.world.mini_program(REJECTED).audit = AuditPlan(polls=0)
    with DAG("one_rejected", schedule=None, default_args={"retries": 0}) as dag:
        release_group.override(group_id="ours").partial(**CODE).expand(appid=SHOPS)
    answers = {"ours.approve_release": "Approve", "ours.approve_release[1]": "Reject"}
    run = succeeded(run_dag(dag, answers=answers))
    assert letters(run, "ours.release", "ours.verify_release") == "S--SS" * 2
    assert online(shop) == [CONFIGURED, INDIVIDUAL, REJECTED]
    assert calls(shop.journal, "/wxa/release")[0].appid == CONFIGURED
    decided = [row for row in open_ledger().entries(appid=UNCHANGED) if row.task.task_id == "ours.approve_release"]
    assert [(row.task.map_index, row.after and row.after["outcome"]) for row in decided][:1] == [(1, "rejected")]


def test_a_mark_of_the_approval_releases_nobody_and_of_the_domains_lets_no_code_follow(shop: Shop) -> None:
    run = run_dag(mapped([CONFIGURED, EMPTY, REJECTED]), mark_success="release_group.approve_release")
    assert ends(run, "release") == "F-U"
    assert "nobody has approved it" in str(run.errors["release_group.release"])
    assert online(shop) == []
    before = committed(shop)
    run = run_dag(mapped([UNCHANGED, EMPTY], approval=False), mark_success="release_group.configure_domains")
    assert ends(run, "commit_code") == "FF"
    assert "no outcome of the domains reached it" in str(run.errors["release_group.commit_code"])
    assert committed(shop) == before


@pytest.mark.parametrize(
    ("given", "commits"),
    [
        ({"domain_action": "delete"}, "S-S"),
        ({"domain_action": "get", "webviewdomain": []}, "S-S"),
        ({"on_individual": "stop"}, "S--"),
        ({"webviewdomain": ["https://elsewhere.example.org"]}, "U-S"),
    ],
    ids=["delete", "get", "individuals stop", "not on the platform's list"],
)
def test_code_follows_only_where_domains_were_answered_well(shop: Shop, given: dict[str, Any], commits: str) -> None:
    run = run_dag(mapped([CONFIGURED, EMPTY, INDIVIDUAL], approval=False, release=False, **given))
    assert ends(run, "commit_code") == commits, run.errors
    assert len(committed(shop)) == commits.count("S")
    assert online(shop) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"approval": False}, None),
        ({"approval": False, "on_lost_domains": "release"}, [OWN]),
        ({"approval": True}, [OWN]),
    ],
    ids=["nobody says yes", "allowed", "a person is asked"],
)
def test_what_would_go_offline_stops_the_commit_without_a_yes(shop: Shop, given: dict[str, Any], said: Any) -> None:
    shop.put_online("1.0.0", OWN)
    run = run_dag(mapped([CONFIGURED, UNCHANGED], **given), answers="Approve")
    assert ends(run, "commit_code") == ("U" if said is None else "S") + "S"
    assert (CONFIGURED in committed(shop)) is (said is not None)
    verified = run.xcoms["release_group.verify_release"][0]
    assert (verified and verified["lost"]) == said, run.errors


def test_a_param_of_the_dag_decides_about_approval_besides(shop: Shop) -> None:
    with DAG("param", schedule=None, params={"approval": Param(True, type="boolean")}) as dag:
        release_group(appid=CONFIGURED, approval="{{ params.approval }}", **CODE)
    assert run_dag(dag, answers="Reject").states["release_group.release"] == "skipped"
    assert ends(run_dag(mapped([CONFIGURED]), approval=False), "release") == "U"
    assert online(shop) == []
    assert run_dag(dag, approval=False).states["release_group.approve_release"] == "skipped"
    assert online(shop) == [CONFIGURED]


def at_parse(**given: Any) -> Any:
    return release_group.partial(**CODE | given)


@task_group
def hiding(number: int) -> None:
    release_group(appid=f"{{{{ {number} }}}}", **CODE)


# A partial group that is refused was never mapped, and Airflow warns of it.
@pytest.mark.filterwarnings("ignore:Exception ignored", "ignore:Partial task group")
@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: at_parse(**REGISTER).expand(appid=SHOPS), "write the list of the whole platform"),
        (lambda: release_group(appid=CONFIGURED, **REGISTER, **CODE), "WxaModifyPlatformDomain"),
        (lambda: at_parse().expand_kwargs([{"appid": EMPTY, **REGISTER}]), "register"),
        (lambda: at_parse().expand(appid=[EMPTY, CONFIGURED, EMPTY]), f"appid = '{EMPTY}': comes twice"),
        (lambda: at_parse().expand_kwargs([{"appid": EMPTY}] * 2), f"appid = '{EMPTY}': comes twice"),
        (lambda: at_parse().expand(appid=[EMPTY], version_desc=["one", "two"]), f"appid = '{EMPTY}': comes twice"),
        (lambda: at_parse(appid=EMPTY).expand(version_desc=["one", "two"]), "what the group is mapped over"),
        (lambda: at_parse(appid=EMPTY).expand_kwargs([{"version_desc": "one"}]), "what the group is mapped over"),
        (lambda: hiding.expand(number=[1, 1]), "what the group is mapped over"),
        (lambda: release_group(appid=EMPTY, domain_mode_typo="x", **CODE), "'domain_mode_typo'"),
        (lambda: release_group(**CODE), "'appid'"),
    ],
)
def test_what_cannot_be_right_or_safe_is_refused_at_parse(build: Any, said: str) -> None:
    with DAG("refused", schedule=None), pytest.raises((WxaSpecError, TypeError)) as refused:
        build()
    assert said in str(refused.value)


def test_what_only_a_run_knows_is_refused_before_the_first_call(shop: Shop) -> None:
    with DAG("late", schedule=None, params={"road": Param("register")}, default_args={"retries": 0}) as dag:

        @task
        def listed() -> list[dict[str, Any]]:
            return [{"appid": each} for each in (CONFIGURED, UNCHANGED, CONFIGURED)]

        @task
        def appids() -> list[str]:
            return [CONFIGURED, INDIVIDUAL, CONFIGURED]

        release_group.partial(approval=False, **CODE).expand_kwargs(listed())
        release_group.override(group_id="plain").partial(approval=False, **CODE).expand(appid=appids())
        release_group.override(group_id="register")(
            appid=REJECTED, on_platform_list_empty="{{ params.road }}", approval=False, **CODE
        )
        release_group.override(group_id="wrong")(appid=REJECTED, approval="maybe", **CODE)
    run = run_dag(dag)
    assert ends(run, "check_release") == "FSF"
    assert run.states["plain.check_release"] == "failed,success,failed"
    assert f"appid = '{CONFIGURED}': comes twice" in str(run.errors["plain.check_release"])
    assert "write the list of the whole platform" in str(run.errors["register.check_release"])
    assert "approval = 'maybe': must be true or false" in str(run.errors["wrong.check_release"])
    assert online(shop) == [UNCHANGED, INDIVIDUAL]


def test_values_are_templates_outputs_and_rows_with_their_types(shop: Shop) -> None:
    with DAG("typed", schedule=None, params={"flag": Param(False), "texts": Param([ORIGIN])}) as dag:

        @task
        def settings() -> dict[str, Any]:
            return {"ext": {"shop": "{{ not a template }}"}}

        rows: list[dict[str, Any]] = [
            {"appid": CONFIGURED, "user_version": "{{ dag.dag_id }}", "approval": "{{ params.flag }}"},
            {"appid": UNCHANGED, "user_version": "2", "audit_quota_reserve": "{{ 0 }}", "approval": False},
        ]
        given = {"template_id": "47", "webviewdomain": "{{ params.texts }}", "ext_json": settings()}
        release_group.partial(**given).expand_kwargs(rows)
    run = succeeded(run_dag(dag))
    assert [each["user_version"] for each in run.xcoms["release_group.commit_code"]] == ["typed", "2"]
    ext_json = json.loads(calls(shop.journal, "/wxa/commit")[0].body["ext_json"])
    assert ext_json["ext"] == {"shop": "{{ not a template }}"}
    assert online(shop) == [CONFIGURED, UNCHANGED]


def test_it_stands_unmapped_nested_and_in_a_mapped_group_of_a_team(shop: Shop) -> None:
    with DAG("stands", schedule=None) as dag:

        @task_group
        def ours(appid: str) -> None:
            release_group(appid=appid, approval=False, **CODE)

        release_group(appid=INDIVIDUAL, approval=False, **CODE) >> ours.expand(appid=[CONFIGURED, UNCHANGED])
    run = succeeded(run_dag(dag))
    assert run.states["ours.release_group.release"] == "success,success"
    assert online(shop) == [CONFIGURED, UNCHANGED, INDIVIDUAL]


def test_the_dags_of_the_how_to_release(shop: Shop) -> None:
    run = run_dag(release_listed_shops)
    assert run.xcoms["without_domains"] == {EMPTY: "platform_list_empty", INDIVIDUAL: "individual"}
    assert online(shop) == [CONFIGURED, UNCHANGED]
    assert run.state == "failed"
    assert ends(run_dag(release_shops, answers="Approve", user_version="1.5.0"), "release") == "SS-SU"


@pytest.mark.usefixtures("airflow_database")
def test_a_whole_run_ends_as_a_walk_does(shop: Shop) -> None:
    shops = [CONFIGURED, EMPTY]
    walked = run_dag(mapped(shops, approval=False))
    shop.wechat.reset()
    ran = whole_run(register_dag(mapped(shops, approval=False)))
    assert (ran.state, ran.states) == (walked.state, walked.states)
    assert ends(ran, "release") == "S-"
    assert online(shop) == [CONFIGURED]

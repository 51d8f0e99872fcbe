"""The nine questions of managers, right after a release, a fleet, a rollback and a foreign release by real DAGs."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.sandbox import AuditPlan, World, serve
from tests.airflow_session import run_dag
from tests.fleet.fleets import appid, fleet_world, manifest
from tests.plugins.browser import Browser, row_of, shows, text_of

X, REJECTED = appid(1), appid(2)
PARAMS: dict[str, Any] = {"appid": X, "webviewdomain": ["https://m.example.com"], "template_id": 47, "approval": False}


@pytest.fixture
def world(airflow_database: None, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = fleet_world(4)
    with serve(made) as running:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", running.connection())
        yield made


def done(run: Any) -> None:
    assert run.state == "success", run.errors


def test_the_nine_questions_are_answered_right_after_whatever_was_released(airflow: Browser, world: World) -> None:
    def page(path: str, *words: str, **asked: str) -> str:
        return shows(text_of(airflow.shows(path, role="user", **asked)), *words)

    def row(*words: str, hides: Sequence[str] = ()) -> None:
        shows(text_of(row_of(airflow.shows("/"), X)), *words, hides=hides)

    account = world.mini_program(X)
    account.nick_name, account.granted_sets = "Tea 茶馆", [18, 30]
    done(run_dag(release_dag(), **PARAMS, user_version="1.4.0", triggered_by="li"))
    row("1.4.0", "by li")

    lost = "https://h5.merchant.example"  # whose domains were lost
    account.mp_webviewdomain = [lost]
    account.effective_webviewdomain = [*account.effective_webviewdomain, lost]
    done(run_dag(release_dag(), **PARAMS, user_version="1.5.0", on_lost_domains="release", triggered_by="zhao"))
    row("1 lost")
    page("/", "1 lost domains")
    page(f"/mini-program/{X}", lost)
    page("/?kind=lost", X)
    done(run_dag(rollback_dag(), appid=X, approval=False, triggered_by="wang"))
    row("1.4.0", "by wang")  # online again

    world.mini_program(REJECTED).audit = AuditPlan(polls=0, result="rejected", reason="1: 类目不符")
    text = manifest(3, release={"user_version": "2.0.0", "domain_action": "add"})
    run_dag(fleet_release_dag(), manifest=text, approval=False, shard_size=2, triggered_by="chen")
    row("2.0.0", "by chen")
    page(f"/mini-program/{REJECTED}", "1: 类目不符")
    page("/fleets", "1 rejected")  # what of the fleet failed

    account.release_info = {"release_time": 1_900_000_000, "release_version": "9.9.9", "release_desc": "by hand"}
    account.effective_webviewdomain = []
    done(run_dag(domain_drift_dag(), appids=[X]))
    row("Tea 茶馆", "9.9.9", "differ", hides=["by chen"])  # what is online, somebody else's, whose domains drifted
    page(f"/mini-program/{X}", "no run of ours")
    page("/?kind=differs", X)

    released = ["li released Tea 茶馆 1.4.0", "zhao released Tea 茶馆 1.5.0", "wang rolled back Tea 茶馆 1.4.0"]
    page("/releases", *released, "chen released 2 Mini Programs 2.0.0")  # who released what
    overview = page("/overview", "9.9.9 1 Mini Programs", "2.0.0 1 Mini Programs")  # which versions are online
    assert re.search(r"\d+ of \d+ left", overview)  # quota left
    assert re.search(r"\d+ reviews ended in the last 30 days: half of them within \d+ minutes", overview)
    page("/overview", "个小程序", **{"Accept-Language": "zh"})

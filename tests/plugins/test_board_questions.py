"""The nine questions of managers, right after a release, a fleet, a rollback and a foreign release by real DAGs."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.sandbox import AuditPlan, World, serve
from tests.airflow_session import run_dag
from tests.fleet.fleets import appid, fleet_world, manifest
from tests.plugins.browser import Browser

X, REJECTED = appid(1), appid(2)
PARAMS: dict[str, Any] = {"appid": X, "webviewdomain": ["https://m.example.com"], "template_id": 47, "approval": False}


@pytest.fixture
def world(airflow_database: None, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = fleet_world(4)
    with serve(made) as running:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", running.connection())
        yield made


def page(airflow: Browser, path: str, language: str = "en") -> str:
    answer = airflow.get(path, "user", **{"Accept-Language": language})
    assert answer.status_code == 200, path
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def row(airflow: Browser, which: str) -> str:
    text = airflow.get("/").text
    (found,) = [part for part in text.split("<tr>") if f"/mini-program/{which}" in part]
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def done(run: Any) -> None:
    assert run.state == "success", run.errors


def test_the_questions_are_answered_right_after_a_release_a_fleet_a_rollback_and_a_foreign_release(
    airflow: Browser, world: World
) -> None:
    account = world.mini_program(X)
    account.nick_name, account.granted_sets = "Tea 茶馆", [18, 30]
    done(run_dag(release_dag(), **PARAMS, user_version="1.4.0", triggered_by="li"))
    assert "1.4.0" in row(airflow, X)
    assert "by li" in row(airflow, X)

    done(run_dag(release_dag(), **PARAMS, user_version="1.5.0", triggered_by="zhao"))
    done(run_dag(rollback_dag(), appid=X, approval=False, triggered_by="wang"))
    assert "1.4.0" in row(airflow, X)  # online again
    assert "by wang" in row(airflow, X)

    world.mini_program(REJECTED).audit = AuditPlan(polls=0, result="rejected", reason="1: 类目不符")
    text = manifest(3, release={"user_version": "2.0.0", "domain_action": "add"})
    run_dag(fleet_release_dag(), manifest=text, approval=False, shard_size=2, triggered_by="chen")
    after_fleet = row(airflow, X)
    assert "2.0.0" in after_fleet
    assert "by chen" in after_fleet
    assert "1: 类目不符" in page(airflow, f"/mini-program/{REJECTED}")
    fleets = page(airflow, "/fleets")
    assert "1 rejected" in fleets  # what of the fleet failed

    account.release_info = {"release_time": 1_900_000_000, "release_version": "9.9.9", "release_desc": "by hand"}
    account.effective_webviewdomain = []
    done(run_dag(domain_drift_dag(), appids=[X]))
    online = row(airflow, X)
    assert "Tea 茶馆" in online
    assert "9.9.9" in online  # what is online for X
    assert "by chen" not in online  # somebody else's
    assert "differ" in online  # whose domains drifted
    assert "no run of ours" in page(airflow, f"/mini-program/{X}")
    assert X in page(airflow, "/?kind=differs")

    feed = page(airflow, "/releases")  # who released what
    for by, what in (("li", "released Tea 茶馆 1.4.0"), ("zhao", "released Tea 茶馆 1.5.0"),
                     ("wang", "rolled back Tea 茶馆 1.4.0"), ("chen", "released 2 Mini Programs 2.0.0")):  # fmt: skip
        assert f"{by} {what}" in feed
    overview = page(airflow, "/overview")
    assert "9.9.9 1 Mini Programs" in overview  # which versions are online
    assert "2.0.0 1 Mini Programs" in overview
    assert re.search(r"\d+ of \d+ left", overview)  # quota left
    assert re.search(r"\d+ reviews ended in the last 30 days: half of them within \d+ minutes", overview)
    assert "个小程序" in page(airflow, "/overview", "zh")


def test_lost_domains_are_named_and_counted(airflow: Browser, world: World) -> None:
    account = world.mini_program(X)
    done(run_dag(release_dag(), **PARAMS, user_version="1.4.0"))
    lost = "https://h5.merchant.example"
    account.mp_webviewdomain = [lost]
    account.effective_webviewdomain = [*account.effective_webviewdomain, lost]
    done(run_dag(release_dag(), **PARAMS, user_version="1.5.0", on_lost_domains="release"))
    assert re.search(r"1 lost domains", page(airflow, "/"))
    assert "1 lost" in row(airflow, X)
    assert lost in page(airflow, f"/mini-program/{X}")
    assert X in page(airflow, "/?kind=lost")

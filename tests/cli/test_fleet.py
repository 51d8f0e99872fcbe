"""``airflow wxa fleet …``: a manifest, its plan, and a run that somebody stops and takes up again."""

import csv
import io
import json
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from airflow_wxa.fleet.summary import time_left
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from tests.cli.healthy import Command, SetUp

KEY = RunKey("wxa_fleet_release", "spring")
STRANGER = "wx00000000000000ff"
DOMAINS = {"webviewdomain": ["https://m.example.com"], "domain_action": "set"}
RELEASE = {"template_id": 47, "user_version": "3.2.0", **DOMAINS}
REJECTED = {"outcome": "rejected", "stage": "release_canary", "what": "=the reviewer said no", "next_step": "fix it"}
#: Calls of a plan.
READ = {"getversioninfo", "get_latest_auditstatus", "setwebviewdomain", "queryquota", "get_effective_webviewdomain"}
READ |= {"get_effective_domain", "get_category", "get_icp_entrance_info", "getillegalrecords"}
BLOCKED = {"outcome": "blocked", "stage": "configure_domains", "errcode": 61003}
BLOCKED |= {"what": "not authorised", "next_step": "ask the merchant"}


def appid(number: int) -> str:
    return f"wx{number:016x}"


@pytest.fixture
def fleet(command: Command) -> Command:
    return partial(command, "fleet")


def written(folder: Path, apps: Any, **more: Any) -> str:
    path = folder / "sale.yaml"
    path.write_text(yaml.safe_dump({"release": RELEASE, "apps": apps, **more}))
    return str(path)


@pytest.fixture
def fleets(set_up: SetUp) -> Fleets:
    """Return a store with a run: two canaries, of which one was rejected, and three that go on."""
    fleets = Fleets(set_up.store_url)
    apps = [NewApp(appid(number), "canary" if number < 2 else "rest", 0, {}) for number in range(4)]
    apps.append(NewApp(appid(4), "rest", 0, {"user_version": "3.2.1"}))
    fleets.load(KEY, COMPONENT_APPID, {"release": RELEASE, "audit_quota_reserve": 5}, "digest", apps)
    fleets.change(KEY, {0: {"outcome": "released"}, 1: REJECTED, 2: BLOCKED})
    return fleets


def test_a_manifest_shows_its_waves_or_all_that_is_wrong_by_line_and_calls_nothing(
    set_up: SetUp, fleet: Command, tmp_path: Path
) -> None:
    apps = [appid(number) for number in range(10)]
    path = written(tmp_path, apps, waves={"canary": {"apps": 1}, "early": {"percent": 25}})
    ended = fleet("check", path, "--shard-size", "3", "--json")
    assert (ended.code, ended.err) == (0, "")
    rows = [(row["wave"], row["Mini Programs"], row["shards"]) for row in json.loads(ended.out)]
    assert rows == [("canary", 1, 1), ("early", 3, 1), ("rest", 6, 2)]
    fleet("check", written(tmp_path, ["wx1", APPID, APPID])).refuses("sale.yaml:2: appid = 'wx1'", "sale.yaml:4: ")
    (tmp_path / "shops.csv").write_text(f"appid,user_desc\n{APPID},spring\n")  # beside its manifest
    ended = fleet("check", written(tmp_path, {"csv": "shops.csv"}), "--json")
    assert [row["Mini Programs"] for row in json.loads(ended.out)] == [0, 0, 1]
    assert set_up.running.journal == []


def test_a_plan_says_what_would_be_done_and_why_with_which_quota_and_writes_nothing(
    set_up: SetUp, fleet: Command, tmp_path: Path
) -> None:
    ended = fleet("plan", written(tmp_path, [APPID, STRANGER]), "--json")
    quota = "audit quota: 100 of 100 left this month, 0 of them kept back\n"
    ended.says("2 Mini Programs: ", "submissions needed: 1", quota)
    ours, strange = json.loads(ended.out)
    assert (ours["appid"], ours["steps"]) == (APPID, "configure commit submit wait release")
    assert ours["add"] == "https://m.example.com"
    assert (strange["appid"], strange["steps"]) == (STRANGER, "blocked")
    assert strange["next_step"]
    calls = [each for each in set_up.running.journal if each.path.startswith("/wxa/")]
    assert {each.path.rpartition("/")[2] for each in calls} == READ
    assert {each.body["action"] for each in calls if each.path.endswith("setwebviewdomain")} == {"get"}

    set_up.running.world.platform(COMPONENT_APPID).audit_rest = 5
    path = written(tmp_path, [APPID], audit_quota_reserve=5)
    said = "5 of 100 left this month, 5 of them kept back; 1 Mini Programs will have no quota this month, 2 months at"
    fleet("plan", path).says(said)
    set_up.running.add_fault(Fault(path="/wxa/queryquota", kind="errcode_before", errcode=48001))
    fleet("plan", path).says("audit quota: WeChat did not say")
    given = written(tmp_path, [APPID], audit_quota=0)
    fleet("plan", given).says("1 Mini Programs will have no quota this month, no end at this pace")


def test_a_run_is_shown_by_wave_and_what_to_look_at_first_or_in_full(
    fleets: Fleets, fleet: Command, tmp_path: Path
) -> None:
    ended = fleet("status", "spring")
    rows = [line.replace("|", " ").split() for line in ended.out.splitlines()]
    assert ["canary", "2", "1", "1", "0"] in rows
    assert ["rest", "3", "0", "1", "2"] in rows
    ended.says("errcode 61003, 1 times: ask the merchant")
    assert ended.out.index(appid(2)) < ended.out.index(appid(1))  # blocked before rejected
    said = json.loads(fleet("status", "spring", "--output", "json").out)
    assert [each["appid"] for each in said] == [appid(number) for number in range(5)]
    assert said[2] == BLOCKED | {"appid": appid(2), "wave": "rest", "user_version": "3.2.0", "auditid": ""}
    assert (said[4]["outcome"], said[4]["user_version"]) == (None, "3.2.1")
    assert fleet("status", "spring", "--csv", str(tmp_path / "out.csv")).code == 0
    text = fleet("status", "spring", "--csv", "-").out
    assert (tmp_path / "out.csv").read_text().splitlines() == text.splitlines()
    written = list(csv.DictReader(io.StringIO(text)))
    assert written[1]["what"] == "'=the reviewer said no"  # no formula
    assert [row["outcome"] for row in written] == ["released", "rejected", "blocked", "", ""]


def test_a_stop_names_who_and_a_second_one_leaves_that_so(
    fleets: Fleets, fleet: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lin", "wu"):
        monkeypatch.setenv("LOGNAME", name)
        fleet("stop", "spring").says("airflow wxa fleet rerun spring")
    run = fleets.run(KEY)
    assert run is not None
    assert run.stopped_by == "lin"


def test_the_rerun_manifest_holds_what_is_unfinished_and_can_be_checked(
    fleets: Fleets, fleet: Command, tmp_path: Path
) -> None:
    text = fleet("rerun", "spring").out
    whole = yaml.safe_load(text)
    assert whole["apps"] == [appid(2), appid(3), {"appid": appid(4), "user_version": "3.2.1"}]
    assert (whole["release"], whole["audit_quota_reserve"]) == (RELEASE, 5)
    (tmp_path / "rest.yaml").write_text(text)
    assert fleet("check", str(tmp_path / "rest.yaml")).code == 0
    fleets.change(KEY, {position: {"outcome": "released"} for position in range(5)})
    ended = fleet("rerun", "spring")
    ended.says("Every Mini Program of this run is finished.")
    assert ended.out == ""


@pytest.mark.parametrize("name", ["status", "stop", "rerun"])
def test_a_run_that_is_not_known_or_not_the_only_one_is_said(fleets: Fleets, fleet: Command, name: str) -> None:
    fleet(name, "winter").refuses("the store knows none of this id")
    fleets.load(RunKey("another_dag", "spring"), COMPONENT_APPID, {"release": RELEASE}, "other", [])
    fleet(name, "spring").refuses("several DAGs have one: ")
    assert fleet(name, "spring", "--dag-id", KEY.dag_id).code == 0


def test_a_run_says_what_it_waits_for_and_is_watched_until_it_has_ended(fleets: Fleets, fleet: Command) -> None:
    plan = {"steps": ["configure", "commit", "submit", "wait", "release"]}
    fleets.change(KEY, {3: {"plan": plan, "auditid": "7", "submitted_at": 1.8e9}, 4: {"outcome": "no_quota"}})
    said = fleet("status", KEY.run_id).err
    assert "left: about 0 minutes of calls; 1 reviews until 2027-01-26 16:00 (UTC+8) at the latest" in said
    assert "without quota" not in said
    fleets.end(KEY)
    fleet("watch", KEY.run_id, "--every", "1").says("1 released", "the reviewer said no")


def test_a_run_that_carries_over_says_when_the_month_turns() -> None:
    terms = {"release": {}, "carry_over": True, "freeze": [{"from": "2027-02-05", "to": "2027-02-13"}]}
    run: Any = SimpleNamespace(manifest=terms, ended_at=None)
    waits = SimpleNamespace(outcome=None, plan={"steps": ["wait"]}, auditid="", submitted_at=None)
    apps: list[Any] = [waits, SimpleNamespace(outcome="no_quota")]
    now = datetime.fromisoformat("2027-02-10T12:00:00+08:00").timestamp()
    left = time_left(run, apps, now)
    assert "no release before 2027-02-14 00:00 (UTC+8); 1 without quota until 2027-03-01 00:00 (UTC+8)" in left

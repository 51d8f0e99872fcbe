"""Who sees what of the board on a running Airflow: 401, 403 and 200, per page and per row, by each auth manager."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.plugins.plugin import BOARD_PREFIX
from airflow_wxa.store.fleets import Fleets
from tests.browser.board import FLEET, STUCK, fill
from tests.plugins.test_api_server import answers, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real_airflow

OF_THE_FLEET: Final = f"wx{0xE00:016x}"
PAGES: Final = (
    "/",
    "/mini-programs.csv",
    f"/mini-program/{STUCK}",
    "/fleets",
    f"/fleet?dag_id={FLEET.dag_id}&run_id={FLEET.run_id}",
    "/errcodes",
    "/errcode/89021",
)
#: Name → role; ``team`` may read the runs of wxa_release, ``editor`` also edit them, and of no other DAG.
FAB_ROLES: Final = {"viewer": "Viewer", "nobody": "Public", "op": "Op", "team": "Team", "editor": "Editor"}
FAB: Final = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
FAB_USERS: Final = """
import json, subprocess, sys
subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    reads = [("can_read", "DAG Runs"), ("can_read", "DAG:wxa_release")]
    edits = [("can_edit", "DAG Runs"), ("can_edit", "DAG:wxa_release")]
    for action, resource in reads + edits:
        builder.sm.create_permission(action, resource)
    builder.sm.bulk_sync_roles([{"role": "Team", "perms": reads}, {"role": "Editor", "perms": reads + edits}])
    for name, role in json.loads(sys.argv[1]).items():
        assert builder.sm.add_user(name, name, name, name + "@example.com", builder.sm.find_role(role), name), name
"""
HIDDEN: Final = re.compile(r'type="hidden" name="(\w+)" value="([^"]*)"')
RUNS: Final = """
import sys
from datetime import UTC, datetime
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
dag_id, run_id = sys.argv[1:]
with create_session() as session:
    session.add(DagBundleModel(name="theirs"))
    session.flush()
    session.add(DagModel(dag_id=dag_id, bundle_name="theirs", fileloc=""))
    session.flush()
    run = {"dag_id": dag_id, "run_id": run_id, "run_type": "manual", "state": "running"}
    session.execute(DagRun.__table__.insert().values(**run, run_after=datetime.now(UTC), conf={}))
"""


@pytest.fixture(params=["simple", "fab"])
def airflow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ThrowawayAirflow]:
    """Start an API server over a filled store; each user's password is their name."""
    environment = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False"}
    if request.param == "simple":
        passwords = tmp_path / "users.json"
        passwords.write_text(json.dumps({name: name for name in ("viewer", "nobody", "op")}), "utf-8")
        environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = "viewer:viewer,nobody:,op:op"
        environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(passwords)
        prepare = ["-m", "airflow", "db", "migrate"]
    elif find_spec("airflow.providers.fab") is None:
        pytest.skip("apache-airflow-providers-fab is not installed")
    else:
        environment["AIRFLOW__CORE__AUTH_MANAGER"] = FAB
        prepare = ["-c", FAB_USERS, json.dumps(FAB_ROLES)]
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment)
    (tmp_path / "tmp").mkdir()
    env = airflow.component_env()
    for script in (prepare, ["-c", RUNS, FLEET.dag_id, FLEET.run_id]):
        done = subprocess.run([sys.executable, *script], env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    fill(f"sqlite:///{tmp_path / 'wxa.db'}")
    try:
        command = [sys.executable, "-m", "airflow", "api-server"]
        server = airflow.processes.start("api-server", command, env, tmp_path / "api-server.out")
        wait_until(lambda: answers(airflow.url) or server.process.poll() is not None)
        assert server.process.poll() is None, server.last_lines()
        yield airflow
    finally:
        airflow.stop()


def board_of(airflow: ThrowawayAirflow, user: str) -> httpx.Client:
    """Return what a user asks the board with; ``""``: somebody who has not logged in."""
    headers = {}
    if user:
        account = {"username": user, "password": user}
        answer = httpx.post(f"{airflow.url}/auth/token", json=account, trust_env=False, timeout=60)
        headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
    base_url = f"{airflow.url}{BOARD_PREFIX}"
    return httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=60)


def test_each_page_and_each_row_is_for_whoever_may_see_its_dag(airflow: ThrowawayAirflow) -> None:
    statuses = {"": 401, "nobody": 403, "viewer": 200}
    for user, status in statuses.items():
        with board_of(airflow, user) as board:
            found = [board.get(page).status_code for page in PAGES]
        print(f"{user or 'not logged in'}: {found}")
        assert set(found) == {status}, user
    if "AIRFLOW__CORE__AUTH_MANAGER" not in airflow.environment:
        return  # the simple one's roles know no single DAG
    with board_of(airflow, "team") as board:
        shown = [board.get(page) for page in PAGES]
        other = board.get(f"/mini-program/{OF_THE_FLEET}")
    print(f"team: {[each.status_code for each in shown]}, the other team's Mini Program: {other.status_code}")
    assert [each.status_code for each in shown] == [200, 200, 200, 200, 404, 200, 200]
    assert other.status_code == 404
    for each in shown[:2]:
        assert STUCK in each.text
        assert OF_THE_FLEET not in each.text
    assert FLEET.run_id not in shown[3].text


def test_only_whoever_may_edit_a_fleets_run_stops_it(airflow: ThrowawayAirflow, tmp_path: Path) -> None:
    page = f"/act/stop?{urlencode({'dag_id': FLEET.dag_id, 'run_id': FLEET.run_id})}"
    origin = {"Origin": airflow.url}
    with board_of(airflow, "op") as board:
        shown = board.get(page)
        fields = {name: html.unescape(value) for name, value in HIDDEN.findall(shown.text)}
    statuses = {"": 401, "nobody": 403, "viewer": 403}
    if "AIRFLOW__CORE__AUTH_MANAGER" in airflow.environment:
        statuses |= {"team": 403, "editor": 403}
    for user, status in statuses.items():
        with board_of(airflow, user) as board:
            found = [board.get(page).status_code, board.post("/act/stop", data=fields, headers=origin).status_code]
        print(f"{user or 'not logged in'}: {found}")
        assert found == [status, status], user
    fleets = Fleets(f"sqlite:///{tmp_path / 'wxa.db'}")
    assert fleets.runs_named(FLEET.run_id)[0].stopped_by is None
    with board_of(airflow, "op") as board:
        assert board.post("/act/stop", data=fields, headers=origin).status_code == 200
        assert board.post("/act/stop", data=fields, headers=origin).status_code == 409
    assert fleets.runs_named(FLEET.run_id)[0].stopped_by == "op"

"""DAGs that follow: one a release, one an audit that is pushed, one an audit whose pushes are lost, by polls."""

import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.cli.demo.airflow import DAGS, ThrowawayAirflow
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.trial_link import PUSH_PREFIX
from tests.real_airflow.airflows import SOON, connection, mini_program, sheet, started, until

pytestmark = pytest.mark.real_airflow

POLLED, VERSION = "wx00000000000000b2", "1.3.0"
LATEST = "/wxa/get_latest_auditstatus"
FOLLOWERS = f"""
from airflow.sdk import dag, task

from airflow_wxa.assets import audit_asset, release_asset

# A watch that never polls by itself, and one that does.
FOLLOWED = {{
    "after_release": release_asset("{APPID}"),
    "after_push": audit_asset("{APPID}", poll_seconds=1e9),
    "after_poll": audit_asset("{POLLED}", poll_seconds=0.5),
}}


def follower(dag_id, asset):
    @dag(dag_id=dag_id, schedule=[asset], is_paused_upon_creation=False)
    def follow():
        @task
        def told(triggering_asset_events=None):
            return [event.extra for event in triggering_asset_events[asset]]

        told()

    return follow()


for dag_id, asset in FOLLOWED.items():
    globals()[dag_id] = follower(dag_id, asset)
"""


@pytest.fixture
def wxa_world(wxa_world: World) -> World:
    wxa_world.mini_programs.append(mini_program(POLLED))
    for account in wxa_world.mini_programs:
        account.audit, account.scan_polls, account.sheets = (
            AuditPlan(polls=0),
            0,
            [sheet(Stage.AUDITING, user_version=VERSION)],
        )
    return World.from_json(wxa_world.to_json(tokens=True))


def test_dags_follow_a_release_a_push_and_a_poll(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    pushed_with = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY}
    environment = SOON | {"AIRFLOW_CONN_WXA_DEFAULT": connection(wxa_sandbox, **pushed_with)}
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment, dags={**DAGS, "followers.py": FOLLOWERS})
    world = wxa_sandbox.world
    with started(airflow, "wxa_release", "after_release", "after_push", "after_poll"):
        until(lambda: looked_at(wxa_sandbox) >= {APPID, POLLED}, "the watches did not look")
        world.mini_program(POLLED).sheets = [sheet(Stage.APPROVED, user_version=VERSION)]  # and nothing is pushed
        polled = first_run(airflow, "after_poll")
        world.platforms[0].message_url = f"{airflow.url}{PUSH_PREFIX}/wxa_default/message/$APPID$"
        world.mini_program(APPID).sheets = [sheet(Stage.REJECTED, user_version=VERSION)]
        assert wxa_sandbox.push("weapp_audit_fail", APPID).text == "success"
        pushed = first_run(airflow, "after_push")
        world.platforms[0].message_url = ""
        params = {"appid": APPID, "webviewdomain": ["https://m.example.com"], "template_id": 47}
        airflow.api.trigger("wxa_release", "run", params | {"user_version": "1.4.0", "approval": False})
        released = first_run(airflow, "after_release")
        runs = {dag_id: len(airflow.api.run_states(dag_id)) for dag_id in ("after_release", "after_push", "after_poll")}
    sys.stdout.write(f"{polled}\n{pushed}\n{released}\n")
    told: dict[str, Any] = {"auditid": "7", "user_version": "1.3.0", "submit_audit_time": 1}
    assert [each["payload"] for each in polled] == [{"appid": POLLED, "status": "approved", **told}]
    assert [each["payload"] for each in pushed] == [{"appid": APPID, "status": "rejected", **told}]
    said = {"appid": APPID, "outcome": "released", "user_version": "1.4.0", "dag_id": "wxa_release", "run_id": "run"}
    assert released == [{**said, "version": "1.4.0", "domains": ["https://m.example.com"], "lost": []}]
    assert runs == {"after_release": 1, "after_push": 1, "after_poll": 1}


def looked_at(sandbox: RunningSandbox) -> set[str]:
    return {entry.appid for entry in sandbox.journal if entry.path == LATEST}


def first_run(airflow: ThrowawayAirflow, dag_id: str) -> Any:
    """Return what the first run of a follower was told, when it has ended well."""
    until(lambda: "success" in airflow.api.run_states(dag_id).values(), f"{dag_id} did not follow")
    [run_id] = airflow.api.run_states(dag_id)
    return airflow.api.xcom(dag_id, run_id, "told")

"""DAGs that follow: one a release, one an audit that is pushed, one an audit whose pushes are lost, by polls."""

from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.cli.demo.airflow import DAGS, ThrowawayAirflow
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.trial_link import PUSH_PREFIX
from tests.real_airflow.airflows import CODE, ORIGIN, Run, against, connection, mini_program, sheet, until

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
        account.audit, account.scan_polls = AuditPlan(polls=0), 0
        account.sheets = [sheet(Stage.AUDITING, user_version=VERSION)]
    return World.from_json(wxa_world.to_json(tokens=True))


def test_dags_follow_a_release_a_push_and_a_poll(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    keys = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY}
    environment = against(wxa_sandbox, AIRFLOW_CONN_WXA_DEFAULT=connection(wxa_sandbox, **keys))
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment, dags={**DAGS, "followers.py": FOLLOWERS})
    world, followers = wxa_sandbox.world, ("after_release", "after_push", "after_poll")

    def told(dag_id: str) -> Any:
        """Return what the first run of a follower was told, when it has ended well."""
        until(lambda: "success" in airflow.api.run_states(dag_id).values(), f"{dag_id} did not follow")
        [run_id] = airflow.api.run_states(dag_id)
        return Run(airflow, dag_id, run_id).returned("told")

    def watched() -> set[str | None]:
        return {entry.appid for entry in wxa_sandbox.journal if entry.path == LATEST}

    with airflow.running("wxa_release", *followers):
        until(lambda: watched() >= {APPID, POLLED}, "the watches did not look")
        world.mini_program(POLLED).sheets = [sheet(Stage.APPROVED, user_version=VERSION)]  # and nothing is pushed
        polled = told("after_poll")
        world.platforms[0].message_url = f"{airflow.url}{PUSH_PREFIX}/wxa_default/message/$APPID$"
        world.mini_program(APPID).sheets = [sheet(Stage.REJECTED, user_version=VERSION)]
        assert wxa_sandbox.push("weapp_audit_fail", APPID).text == "success"
        pushed = told("after_push")
        world.platforms[0].message_url = ""
        Run(airflow, "wxa_release").triggered({"appid": APPID, **CODE, "approval": False})
        released = told("after_release")
        assert [len(airflow.api.run_states(dag_id)) for dag_id in followers] == [1, 1, 1]
    said: dict[str, Any] = {"auditid": "7", "user_version": VERSION, "submit_audit_time": 1}
    assert [each["payload"] for each in polled] == [{"appid": POLLED, "status": "approved", **said}]
    assert [each["payload"] for each in pushed] == [{"appid": APPID, "status": "rejected", **said}]
    said = {"appid": APPID, "outcome": "released", "user_version": "1.4.0", "dag_id": "wxa_release", "run_id": "run"}
    assert released == [{**said, "version": "1.4.0", "domains": [ORIGIN], "lost": []}]

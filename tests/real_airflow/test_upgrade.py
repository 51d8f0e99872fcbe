"""An upgrade in flight: waits, approvals and fleets that began with the version before questions had digests.

The earlier version is installed from this repository's history into an environment of its own. It starts everything and
is ended with all its processes; then this version migrates the store and goes on in the same home.
"""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from airflow_wxa.cli.demo.airflow import COMPONENTS, MIGRATE, dags_of
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.store.fleets import Fleets, RunKey
from tests.real_airflow.airflows import (
    CODE,
    ORIGIN,
    ROOT,
    SECONDS,
    Run,
    Unforked,
    against,
    assert_rows,
    installed,
    mini_program,
    online,
    world,
)

pytestmark = pytest.mark.real_airflow

EARLIER: Final = "a2f84e0"
RELEASE, ROLLBACK, LIST, FLEET = "wxa_release", "wxa_rollback", "wxa_platform_domains", "wxa_fleet_release"
APPIDS: Final = [f"wx{number:016x}" for number in range(1, 21)]
WAITS, APPROVED, REJECTED, BACK = APPIDS[:4]
PLANNED, RELEASING = APPIDS[4:10], APPIDS[10:20]
#: DAG, run → the task that asks, and the answer that a person gives after the upgrade.
QUESTIONS: Final = {
    (RELEASE, "approved"): ("approve_release", "Approve"),
    (RELEASE, "rejected"): ("approve_release", "Reject"),
    (ROLLBACK, "asked"): ("approve_rollback", "Approve"),
    (LIST, "asked"): ("approve_change", "Approve"),
    (FLEET, "planned"): ("approve_plan", "Approve"),
}
#: Stages that the earlier version's fleets have none of: nothing was left for them.
BEHIND_THE_GATE: Final = ("commit_rest", "submit_rest", "carry_over")


@pytest.fixture
def wxa_world() -> World:
    slow = {WAITS, *RELEASING}
    merchants = [mini_program(appid, audit=AuditPlan(polls=10**6 if appid in slow else 0)) for appid in APPIDS]
    merchants[3] = mini_program(BACK, third_webviewdomain=[ORIGIN], **online(3, 2))
    return world(merchants)


class Upgraded(Unforked):
    """An Airflow whose environment is replaced while it is down."""

    def replace(self, python: str) -> None:
        """End all, migrate with another environment, and start it."""
        self.stop()
        self.python = python
        deadline = time.monotonic() + SECONDS
        for command in (MIGRATE, ("wxa", "db", "migrate")):
            migration = self._spawn("database", command)
            self._await(lambda each=migration: each.process.poll() == 0, migration, deadline)
        started = {name: self._spawn(name, arguments) for name, arguments in COMPONENTS.items()}
        self._await(self._logged_in, started["api-server"], deadline)
        for name in ("scheduler", "triggerer", "dag-processor"):
            self._await(partial(self._is_healthy, name), started[name], deadline)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install the earlier version, and return its Python."""
    place = tmp_path_factory.mktemp("earlier")
    found = subprocess.run(
        ["git", "archive", "--output", place / "source.tar", EARLIER], cwd=ROOT, capture_output=True, check=False
    )
    if found.returncode:
        pytest.skip(f"the commit {EARLIER} is not in this clone")
    (place / "source").mkdir()
    subprocess.run(["tar", "xf", place / "source.tar", "-C", place / "source"], check=True)
    return installed(place / "venv", [f"apache-airflow=={version('apache-airflow-core')}", str(place / "source")])


def ledger_rows(home: Path) -> set[int]:
    """Return the ids of the ledger's rows, whichever version it is of."""
    with closing(sqlite3.connect(home / "wxa.db")) as store:
        return {row[0] for row in store.execute("SELECT id FROM wxa_ledger")}


def manifest(appids: list[str]) -> str:
    release = {**CODE, "user_version": "3.2.0", "domain_action": "set"}
    return yaml.safe_dump({"release": release, "apps": appids, "waves": {"canary": {"apps": 2}, "rest": {}}})


def test_nothing_in_flight_is_lost(tmp_path: Path, wxa_sandbox: RunningSandbox, earlier: str) -> None:
    airflow = Upgraded(home=tmp_path, environment=against(wxa_sandbox), dags=dags_of(RELEASE, ROLLBACK, LIST, FLEET))
    airflow.python = earlier
    confs: dict[tuple[str, str], dict[str, Any]] = {
        (RELEASE, "waits"): {"appid": WAITS, "approval": False, **CODE},
        (RELEASE, "approved"): {"appid": APPROVED, **CODE},
        (RELEASE, "rejected"): {"appid": REJECTED, **CODE},
        (ROLLBACK, "asked"): {"appid": BACK},
        (LIST, "asked"): {"action": "add", "hosts": ["new.example.com"]},
        (FLEET, "planned"): {"manifest": manifest(PLANNED)},
        (FLEET, "releasing"): {"manifest": manifest(RELEASING), "approval": False},
    }
    waiting = {(RELEASE, "waits"): "wait_for_audit", (FLEET, "releasing"): "release_canary"}
    waiting |= {run: task_id for run, (task_id, _) in QUESTIONS.items()}
    with airflow.running(RELEASE, ROLLBACK, LIST, FLEET, patience=SECONDS):
        runs = {name: Run(airflow, *name).triggered(conf) for name, conf in confs.items()}
        for name, task_id in waiting.items():
            runs[name].waits(task_id)
        before = ledger_rows(tmp_path)

        airflow.replace(sys.executable)
        for appid in (WAITS, *RELEASING):
            account = wxa_sandbox.world.mini_program(appid)
            account.audit = AuditPlan(polls=0)
            for sheet in account.sheets:
                sheet.stage = Stage.APPROVED
        for name, (task_id, choice) in QUESTIONS.items():
            runs[name].choose(task_id, choice)
        outcomes = {name: run.ends() for name, run in runs.items()}
        left = {
            f"{run.place} {each.task_id}": run.said(each.task_id)
            for name, run in runs.items()
            for each in run.tasks
            if each.state in {"failed", "upstream_failed"}
            and name != (FLEET, "planned")
            and each.task_id not in BEHIND_THE_GATE
        }
        # Planned before fleets had a stage behind the canary's gate: its manifest is released by a run of its own.
        (rerun,) = tmp_path.rglob("planned/rerun.yaml")
        Run(airflow, FLEET, "again").triggered({"manifest": rerun.read_text("utf-8"), "approval": False}).ends()
        store = Fleets(f"sqlite:///{tmp_path / 'wxa.db'}")
        fleets = {
            run_id: {each.outcome for each in store.apps(RunKey(FLEET, run_id))}
            for run_id in ("planned", "again", "releasing")
        }
        after = ledger_rows(tmp_path)
    assert_rows({"upgrade in flight": (left, {})})
    assert [name for name, outcome in outcomes.items() if outcome != "success"] == [(FLEET, "planned")]
    assert fleets == {"planned": {"not_reached"}, "again": {"released"}, "releasing": {"released"}}
    assert before <= after
    released = sorted(each.appid for each in wxa_sandbox.journal if (each.path, each.errcode) == ("/wxa/release", 0))
    assert released == sorted([WAITS, APPROVED, *PLANNED, *RELEASING])  # each once, and not the rejected one
    assert wxa_sandbox.world.mini_program(BACK).versions == []
    assert wxa_sandbox.world.platforms[0].published == ["example.com", "new.example.com"]
    sheets = {len(wxa_sandbox.world.mini_program(appid).sheets) for appid in APPIDS if appid != BACK}
    assert sheets == {1}

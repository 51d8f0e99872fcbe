"""A fleet carried through its DAG."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from airflow.sdk import DAG

from airflow_wxa import testing
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.sandbox.server import RunningSandbox
from airflow_wxa.store.fleets import FleetApp, RunKey
from airflow_wxa.store.tables import fleet_run
from tests.airflow_session import Run, run_dag
from tests.fleet.fleets import accepted, manifest

#: Takes the number of Mini Programs, and fields of their platform.
Walks = Callable[..., "Fleet"]


_dag = cache(fleet_release_dag)  # as it comes; a walk leaves it so


class Fleet:
    """A running emulated WeChat, and the DAG on it."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox, self.world = sandbox, sandbox.world

    def release(
        self, text: str = "", *, dag: DAG | None = None, approval: bool = False, shard_size: int = 2, **changes: Any
    ) -> Run:
        """Walk the DAG.

        :param changes: of the manifest of all Mini Programs; ``answers`` and ``mark_success`` are those of the walk.
        """
        walk = {name: changes.pop(name) for name in ("answers", "mark_success") if name in changes}
        text = text or manifest(len(self.world.mini_programs), **changes)
        return run_dag(dag or _dag(), approval=approval, shard_size=shard_size, manifest=text, **walk)

    def ends(self, outcomes: dict[str, int], **how: Any) -> Run:
        """Walk the DAG to a success that tells of these outcomes."""
        run = self.release(**how)
        assert (run.state, run.xcoms.get("fleet_result")) == ("success", outcomes), (run.errors, run.states)
        return run

    @property
    def key(self) -> RunKey:
        """The latest run."""
        return open_fleets()._runs(fleet_run.c.run_id != "")[-1].key

    @property
    def apps(self) -> list[FleetApp]:
        """What became of each in the latest run."""
        return list(open_fleets().apps(self.key))

    @property
    def outcomes(self) -> Counter[str | None]:
        return Counter(app.outcome for app in self.apps)

    @property
    def spent(self) -> dict[str, int]:
        return {each: len(accepted(self.sandbox, each)) for each in ("commit", "submit_audit", "release")}


class Walked:
    """A run whose tasks can be cleared, as a person or a command clears them."""

    def __init__(self, dag: DAG, **conf: Any) -> None:
        self.run = testing._Run(dag, {"approval": False, "shard_size": 2} | conf, "Approve", "release-manager", "lin")
        self.run.go_on()

    def clear(self, task_id: str) -> None:
        for each in (task_id, *self.run.dag.get_task(task_id).get_flat_relative_ids(upstream=False)):
            self.run.skipped.pop(each, None)
            for index in self.run.indexes(each):
                del self.run.states[each, index]
                self.run.tried[each] = 1
        self.run.go_on()

"""A release on a cluster: started, watched, told about with times, and read back from WeChat's side."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from airflow_wxa.cli.demo.airflow import TaskInstance
from airflow_wxa.cli.demo.releases import DAG_ID, TEMPLATE_ID, USER_VERSION, WANTED
from airflow_wxa.sandbox import Entry, MiniProgram
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from tests.distributed.cluster import Cluster

PATIENCE_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What became of a release.

    :param run: Airflow's word for the run.
    :param sheets: accepted calls of submit_audit.
    :param releases: accepted calls of release.
    :param online: the version that users see.
    :param effective: the business domains that open for them.
    :param left_unknown: endpoints whose rows in the ledger nobody completed or resolved.
    """

    run: str
    sheets: int
    releases: int
    online: str
    effective: tuple[str, ...]
    left_unknown: tuple[str, ...]


RELEASED_ONCE: Final = Ending(
    run="success", sheets=1, releases=1, online=USER_VERSION, effective=(WANTED,), left_unknown=()
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One run of ``wxa_release`` for one Mini Program, which names the run as well."""

    cluster: Cluster
    appid: str
    began: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Trigger the run."""
        conf = {"appid": self.appid, "webviewdomain": [WANTED], "template_id": TEMPLATE_ID, "approval": False}
        self.cluster.airflow.api.trigger(DAG_ID, self.appid, conf | {"user_version": USER_VERSION})
        self.tell("triggered")

    def tell(self, what: str) -> None:
        """Print what happened, and when."""
        print(f"  {time.monotonic() - self.began:6.1f} s  {what}")

    def until(self, what: str, is_so: Callable[[], bool], patience: float = PATIENCE_SECONDS) -> None:
        """Wait for something, and tell when it came.

        :raises AssertionError: it did not come in time, or the run failed before; the text holds all tasks.
        """
        deadline = time.monotonic() + patience
        while not is_so():
            assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}\n{self._tasks()}"
            assert self._run_state() != "failed", f"the run failed before: {what}\n{self._tasks()}"
            time.sleep(LOOK_SECONDS)
        self.tell(what)

    def until_ended(self) -> None:
        """Wait for the run's end, however it ends."""
        self.until("the run has ended", lambda: self._run_state() in {"success", "failed"})

    def task(self, task_id: str) -> TaskInstance:
        """Return a task as Airflow has it now."""
        tasks = self.cluster.airflow.api.task_instances(DAG_ID, self.appid)
        return next(each for each in tasks if each.task_id == task_id)

    def calls(self, endpoint: str) -> list[Entry]:
        """Return the calls that WeChat heard."""
        path = f"/wxa/{endpoint}"
        return [each for each in self.cluster.sandbox.journal if (each.path, each.appid) == (path, self.appid)]

    @property
    def mini_program(self) -> MiniProgram:
        """What WeChat knows of it."""
        return self.cluster.sandbox.world.mini_program(self.appid)

    def ending(self) -> Ending:
        """Read back what became of it, from Airflow, from WeChat and from the ledger."""
        online = self.mini_program.release_info
        rows = self.cluster.ledger.entries(component_appid=COMPONENT_APPID, appid=self.appid)
        return Ending(
            run=self._run_state(),
            sheets=sum(each.errcode == 0 for each in self.calls("submit_audit")),
            releases=sum(each.errcode == 0 for each in self.calls("release")),
            online="" if online is None else online["release_version"],
            effective=tuple(self.mini_program.effective_webviewdomain),
            left_unknown=tuple(row.endpoint for row in rows if row.result == "unknown"),
        )

    def _run_state(self) -> str:
        return self.cluster.airflow.api.run_states(DAG_ID)[self.appid]

    def _tasks(self) -> str:
        """Return each task's state, and what a failed one says."""
        api = self.cluster.airflow.api
        tasks = api.task_instances(DAG_ID, self.appid)
        lines = [f"  {task.task_id}: {task.state or 'not begun'}, try {task.try_number}" for task in tasks]
        said = [api.error_text(DAG_ID, self.appid, task) for task in tasks if task.state == "failed"]
        return "\n".join([*lines, *said])

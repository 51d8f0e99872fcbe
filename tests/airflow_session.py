"""One throw-away Airflow for all tests that need one: its home is set before the import, its database made once.

A ``conftest.py`` takes in what its folder needs; whoever imports this module must do so before importing Airflow.
"""
# ruff: noqa: PLC0415  (Airflow reads its settings when it is imported, and takes seconds: only where a test needs it)

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import pytest
from jinja2 import Environment

from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_wxa.sandbox import Entry, RunningSandbox

ROOT = Path(__file__).resolve().parents[1]
DAGS = ROOT / "dags"
#: A run of ``wxa_release`` against the sandbox of ``wxa_world``, without an approval.
PLAIN: Final[Mapping[str, Any]] = {
    "appid": APPID,
    "webviewdomain": ["https://m.example.com"],
    "template_id": 47,
    "user_version": "1.4.0",
    "approval": False,
}

# In memory where there is such a place: Airflow commits often, and each commit waits for the disk.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_HOME = tempfile.TemporaryDirectory(prefix="wxa-airflow-", dir=_MEMORY, ignore_cleanup_errors=True)

if "airflow" in sys.modules:
    raise RuntimeError("Airflow was imported before its home was set: its settings would be this machine's")
for _name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[_name]  # the suite says the same whatever Airflow its machine has
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # Empty, because DAG.test parses and serialises the whole folder anew for each run.
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(_HOME.name, "dags")),
    "AIRFLOW__API_AUTH__JWT_SECRET": "only for the tests of this suite, " * 2,
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "0.01",
    "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "0.01",
}


from airflow_wxa.testing import Walk as Run  # noqa: E402
from airflow_wxa.testing import walk, worked_out_once  # noqa: E402
from airflow_wxa.testing import wxa_default as wxa_default  # noqa: E402, PLC0414  a fixture

worked_out = ExitStack()  # also where no walk is under way, all session long
worked_out.enter_context(worked_out_once())


def _compile_each_template_once() -> None:
    """Remember the code of each template: every task of Airflow has an environment of its own, and compiles it anew."""
    compiled, known = Environment.compile, dict[Any, Any]()

    def compile_once(self: Environment, source: str, *args: Any, **kwargs: Any) -> Any:
        # What is constant is worked out by the filters while it is compiled.
        key = (type(self), source, args, *kwargs.items(), *self.filters.items())
        if key not in known:
            known[key] = compiled(self, source, *args, **kwargs)
        return known[key]

    Environment.compile = compile_once  # type: ignore[method-assign]


_compile_each_template_once()


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Make the metadata database, which knows ``wxa_release``; every run of the session goes there."""
    _make_database()


@cache  # each conftest that takes in the fixture above has it once more
def _make_database() -> None:
    with warnings.catch_warnings():
        # What Airflow imports late is imported here, where the deprecations in it are not ours.
        warnings.simplefilter("ignore")
        import airflow.api_fastapi.execution_api.app  # noqa: F401
        from airflow.utils.db import initdb

        initdb()  # and its mappers are configured, whichever test comes first
    Path(_HOME.name, "dags").mkdir()
    _as_with_airflow_3_3()
    _read_each_signature_once()
    _serve_two_versions_in_place_of_nine()
    register_dag(load_release_dag())


def _as_with_airflow_3_3() -> None:
    """Let ``DAG.test`` of Airflow 3.2 build one API for all tasks, and tell callbacks why, as its workers do."""
    from airflow.sdk.execution_time import supervisor, task_runner

    finalize = task_runner.finalize

    def finalized(ti: Any, state: Any, context: Any, log: Any, error: BaseException | None = None) -> None:
        context["exception"] = error
        finalize(ti, state, context, log, error)

    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        task_runner.finalize = finalized
        supervisor.in_process_api_server = cache(supervisor.in_process_api_server)


def _read_each_signature_once() -> None:
    """Remember what a route depends on: an app with overrides, as ``DAG.test`` has, reads all of it at each request."""
    from fastapi.dependencies import utils

    read, known = utils.get_dependant, dict[str, Any]()

    def get_dependant(**asked: Any) -> Any:
        if (key := repr(sorted(asked.items()))) not in known:
            known[key] = read(**asked)
        return known[key]

    utils.get_dependant = get_dependant


def _serve_two_versions_in_place_of_nine() -> None:
    """Take all changes of Airflow's API for tasks as one: its routes are made anew for each version, in seconds."""
    from airflow.api_fastapi.execution_api import versions
    from cadwyn import HeadVersion, Version, VersionBundle

    newest, *_, oldest = versions.bundle.versions
    changes = [change for version in versions.bundle.versions for change in version.changes]
    for change in changes:
        change._bound_version_bundle = None
    versions.bundle = VersionBundle(HeadVersion(), Version(newest.value, *changes), Version(oldest.value))


def run_dag(
    dag: DAG,
    *,
    answers: str | Mapping[str, str] | None = None,
    mark_success: str | None = None,
    triggered_by: str = "lin",
    **conf: Any,
) -> Run:
    """Walk a DAG; a person answers each question by ``answers``, ``None``: not in time."""
    marked = [mark_success] if mark_success else []
    return walk(dag, conf, answers=answers or {}, mark_success=marked, triggered_by=triggered_by)


def noting_errors(dag: DAG) -> dict[str, BaseException]:
    """Let a DAG retry without a wait; return what will hold the error that each task failed with, the latest time."""
    errors: dict[str, BaseException] = {}
    for task in dag.tasks:
        task.retry_delay = timedelta(0)
        task.on_failure_callback = [lambda context: errors.update({context["ti"].task_id: context["exception"]})]  # type: ignore[dict-item]
    return errors


def whole_run(dag: DAG, when_idle: Callable[[], object] | None = None, **conf: Any) -> Run:
    """Run a DAG to its end by ``DAG.test``; ``tests/dags/test_whole_runs.py`` does.

    :param when_idle: called when no task is ready, in place of the second that ``DAG.test`` sleeps then: a failure
        costs one for each task behind.
    """
    errors, asleep = noting_errors(dag), time.sleep
    idle = when_idle or (lambda: asleep(0.01))
    with patch.object(time, "sleep", lambda seconds: idle() if seconds == 1 else asleep(seconds)):
        ended = dag.test(run_conf=conf)
    instances = sorted(ended.get_task_instances(), key=lambda ti: ti.map_index)
    states: dict[str, list[str]] = {}
    xcoms: dict[str, list[Any]] = {}
    for ti in instances:
        states.setdefault(ti.task_id, []).append(str(ti.state))
        xcoms.setdefault(ti.task_id, []).append(ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index))
    mapped = {ti.task_id for ti in instances if ti.map_index >= 0}
    return Run(
        state=str(ended.state),
        states={task_id: ",".join(each) for task_id, each in states.items()},
        xcoms={task_id: each if task_id in mapped else each[0] for task_id, each in xcoms.items()},
        errors=errors,
        tries={ti.task_id: ti.try_number for ti in instances},
    )


def fail_once_after(task: Any) -> None:
    """Let a task fail once when its work is done, before its result is kept, as one that is killed then."""
    failures = iter([True])

    def fail_once(context: Any, result: Any) -> None:
        if next(failures, False):
            raise RuntimeError("killed after the answer")

    task._post_execute_hook = fail_once


def register_dag(dag: DAG) -> DAG:
    """Make a DAG that stands in no file of the DAGs folder known to the database, so that it can run."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return dag


def load_release_dag() -> DAG:
    """Execute the DAG file once more and return its DAG: a run leaves its params behind in the object it ran on."""
    dag: DAG = run_path(str(DAGS / "wxa_release.py"), run_name="wxa_release")["dag"]
    return dag


@pytest.fixture
def release_dag() -> DAG:
    return load_release_dag()


Release = Callable[..., Run]


@pytest.fixture
def release(release_dag: DAG, wxa_default: RunningSandbox) -> Release:
    """Walk ``wxa_release`` by :data:`PLAIN`, unless the test says otherwise."""

    def run(**params: Any) -> Run:
        return run_dag(release_dag, **{**PLAIN, **params})

    return run


def calls(journal: list[Entry], *paths: str) -> list[Entry]:
    return [entry for entry in journal if entry.path in paths]


def connection(host: str, login: str = "", **changes: Any) -> str:
    """Return the Connection to a sandbox with a token for its Mini Program and its platform, as JSON.

    :param changes: fields of ``extra``; ``None`` leaves one out. ``login`` is the ``component_appid``.
    """
    extra = {"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}, "component_access_token": PLATFORM_TOKEN} | changes
    kept = {name: value for name, value in extra.items() if value is not None}
    return json.dumps({"conn_type": "wxa", "host": host, "login": login, "extra": kept})

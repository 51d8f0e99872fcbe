"""A real Airflow for a few minutes: its own home, database and processes, on free ports of this machine; and its API.

The components are started one by one and not by ``airflow standalone``, which leaves processes behind when it is
asked to end. Their log servers are off: they would listen on all interfaces, and on one machine nobody needs them.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
import socket
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import httpx
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

import airflow_wxa
from airflow_wxa.cli.demo.processes import ForkServer, ProcessSessions
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_wxa.cli.demo.processes import Component

LOOPBACK: Final = "127.0.0.1"
PATIENCE: Final = 240
LOOK_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 90.0  # one slow answer, and another
PAGE_SIZE: Final = 100
ALL_RUNS: Final = "~"
FINAL: Final = frozenset({"success", "failed"})

MIGRATE: Final = ("db", "migrate")
API_SERVER: Final = "api-server"
COMPONENTS: Final[Mapping[str, tuple[str, ...]]] = {
    API_SERVER: ("api-server",),
    "dag-processor": ("dag-processor",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
#: What makes an Airflow of one machine and a few runs quick; nothing here changes what it does.
TUNING: Final[Mapping[str, str]] = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False",  # each component would, and the database has just been made
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


class AirflowStartError(Exception):
    """A component is not up, or not any more; the text names it, its last lines, and the next step."""


class OutOfTimeError(AirflowStartError):
    """Nothing has failed, and the time is over: the machine is slow or busy."""


def every_dag() -> dict[str, str]:
    """Return the text of a DAGs folder that holds every DAG of the package, as everybody writes them there."""
    return dags_of(*(path.stem for path in sorted((Path(airflow_wxa.__file__).parent / "dags").glob("wxa_*.py"))))


def dags_of(*dag_ids: str) -> dict[str, str]:
    """Return the text of a DAGs folder that holds these DAGs of the package."""
    functions = {dag_id: f"{dag_id.removeprefix('wxa_')}_dag" for dag_id in dag_ids}
    return {
        f"{dag_id}.py": f"from airflow_wxa.dags.{dag_id} import {function}\n\ndag = {function}()\n"
        for dag_id, function in functions.items()
    }


DAGS: Final = dags_of("wxa_release")


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One task of one run.

    :param state: Airflow's word; ``""`` while the task has none.
    :param started: epoch seconds, as ``ended`` is; 0 while it has not.
    """

    task_id: str
    state: str
    try_number: int
    started: float = 0.0
    ended: float = 0.0
    run_id: str = ""


def _may_pass(error: BaseException) -> bool:
    """Tell whether a repetition helps: SQLite makes a busy Airflow answer some requests with HTTP 500."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


class AirflowApi:
    """Airflow's REST API, as far as somebody who starts runs and watches them needs it.

    A request may be sent twice: runs have ids of ours, and a question that was answered already counts as answered.

    :param client: with base URL and token.
    :param check: called before a request is repeated; raises where no answer can come any more.
    """

    def __init__(self, client: httpx.Client, check: Callable[[], object] = bool) -> None:
        self._client = client
        self.check = check

    @classmethod
    def login(cls, url: str, account: Mapping[str, str] | None = None, check: Callable[[], object] = bool) -> Self:
        """Return a client of an Airflow.

        :param url: scheme, host and port.
        :param account: ``username`` and ``password``; ``None`` where everybody is an admin.
        :raises httpx.HTTPError: it does not answer, or not so.
        """
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as plain:
            place = f"{url}/auth/token"
            answer = plain.get(place) if account is None else plain.post(place, json=dict(account))
            token = answer.raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        base_url = f"{url}/api/v2"
        client = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)
        return cls(client, check)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def health(self) -> dict[str, str]:
        """Return component → ``healthy`` or ``unhealthy``; one that has not reported yet is left out."""
        parts = self._get("/monitor/health").items()
        return {name: part["status"] for name, part in parts if part and part.get("status")}

    def knows(self, dag_id: str) -> bool:
        """Tell whether the DAG can be triggered."""
        return self._get(f"/dags/{dag_id}") is not None

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a run, unless it was started already."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._send("POST", f"/dags/{dag_id}/dagRuns", body)

    def run_states(self, dag_id: str) -> dict[str, str]:
        """Return run id → state, of the DAG's first 100 runs."""
        runs = self._get(f"/dags/{dag_id}/dagRuns", limit=PAGE_SIZE)["dag_runs"]
        return {run["dag_run_id"]: run["state"] for run in runs}

    def task_instances(self, dag_id: str, run_id: str, states: Sequence[str] = ()) -> list[TaskInstance]:
        """Return the tasks of a run, each instance of a mapped one.

        :param run_id: :data:`ALL_RUNS` for those of all.
        :param states: none for all.
        """
        found: list[TaskInstance] = []
        total = 1
        while len(found) < total:
            path = f"{_run(dag_id, run_id)}/taskInstances"
            answer = self._get(path, limit=PAGE_SIZE, offset=len(found), order_by="id", state=states)
            total = answer.get("total_entries", 0) if answer["task_instances"] else 0
            found += [
                TaskInstance(
                    each["task_id"],
                    each["state"] or "",
                    each["try_number"],
                    _epoch(each.get("start_date")),
                    _epoch(each.get("end_date")),
                    each["dag_run_id"],
                )
                for each in answer["task_instances"]
            ]
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned; ``None`` when it returned nothing."""
        entry = self._get(f"{_run(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/return_value")
        return entry["value"] if entry else None

    def error_text(self, dag_id: str, run_id: str, task: TaskInstance) -> str:
        """Return the text of the exception that a task's last try ended with, from its log; ``""`` for none."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task.task_id}/logs/{task.try_number}"
        answer = self._get(path, full_content="true")
        raised = [event["error_detail"][0] for event in (answer or {}).get("content", ()) if event.get("error_detail")]
        return str(raised[-1]["exc_value"]) if raised else ""

    def approve(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Answer an approval, unless somebody did."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/-1/hitlDetails"
        self._send("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})

    def _get(self, path: str, **params: str | int | Sequence[str]) -> Any:
        """Return the JSON; ``None`` for a missing resource."""
        return self._request("GET", path, missing_is=httpx.codes.NOT_FOUND, params=params)

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self._request(method, path, missing_is=httpx.codes.CONFLICT, json=body)

    @retry(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(0.5),
        before_sleep=lambda state: state.args[0].check(),
        reraise=True,
    )
    def _request(self, method: str, path: str, *, missing_is: int, **content: Any) -> Any:
        """Return the JSON of an answer, ``None`` for the status ``missing_is``; another refusal is raised."""
        answer = self._client.request(method, path, headers={"Accept": "application/json"}, **content)
        if answer.status_code == missing_is:
            return None
        return answer.raise_for_status().json()


def _epoch(text: str | None) -> float:
    return dt.datetime.fromisoformat(text).timestamp() if text else 0.0


def connection_of(host: str, component_appid: str, component_appsecret: str, **extra: str) -> str:
    """Return a Connection with the platform's own credentials, as JSON."""
    credentials = {"login": component_appid, "password": component_appsecret}
    return json.dumps({"conn_type": "wxa", "host": host, **credentials, "extra": extra})


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _fresh_keys() -> dict[str, str]:
    """Return keys of one Airflow: its components have to share them."""
    return {
        "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(token_bytes(32)).decode(),
        "AIRFLOW__API__SECRET_KEY": token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": token_urlsafe(64),
    }


@dataclass(slots=True)
class ThrowawayAirflow:
    """API server, scheduler, DAG processor and triggerer in ``home``, until :meth:`stop`.

    It listens on loopback only. Without an account whoever is on this machine may operate it: everybody is an admin.

    :param home: an existing empty directory; its removal is the caller's.
    :param environment: variables of the components besides the settings of this module: Connections above all.
    :param dags: content of its DAGs folder: name of a file → its text.
    :param port: of the API server; 0 picks a free one.
    :param account: ``username`` and ``password`` of its only user, an admin.
    :param debug: log at DEBUG level.
    :param tell: called with a line when a component starts, and when it is up.
    """

    home: Path
    environment: Mapping[str, str] = field(repr=False)  # holds tokens
    dags: Mapping[str, str] = field(default_factory=DAGS.copy)
    port: int = 0
    account: Mapping[str, str] | None = field(default=None, repr=False)
    debug: bool = False
    tell: Callable[[str], object] = str
    processes: ProcessSessions = field(init=False)
    _keys: Mapping[str, str] = field(init=False, default_factory=_fresh_keys, repr=False)
    _api: AirflowApi | None = field(init=False, default=None)
    _fork_server: ForkServer | None = field(init=False, default=None)
    _deadline: float = field(init=False, default=math.inf)

    def __post_init__(self) -> None:
        self.processes = ProcessSessions(cwd=self.home)
        self.port = self.port or free_port()

    @property
    def url(self) -> str:
        """The user interface's address, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def api(self) -> AirflowApi:
        """Its REST API, once :meth:`start` has returned."""
        if self._api is None:
            raise RuntimeError("this Airflow was not started")
        return self._api

    def start(self, *dag_ids: str, patience: float = PATIENCE) -> None:
        """Create the database, start the components, and wait until they are healthy and know the DAGs.

        :param patience: seconds for all of it.
        :raises AirflowStartError: a component ended.
        :raises OutOfTimeError: the time is over.
        """
        self._deadline = deadline = time.monotonic() + patience
        (self.home / "dags").mkdir()
        for name, text in self.dags.items():
            (self.home / "dags" / name).write_text(text, "utf-8")
        self._temporary.mkdir()
        if self.account is not None:
            self._passwords.touch(0o600)
            self._passwords.write_text(json.dumps({self.account["username"]: self.account["password"]}), "utf-8")
        database = self._spawn("database", MIGRATE)
        self._await(lambda: database.process.poll() == 0, database, deadline)
        self.tell(Text("component_is_up", name="database"))
        started = {name: self._spawn(name, arguments) for name, arguments in COMPONENTS.items()}
        for name, component in started.items():
            is_up = self._logged_in if name == API_SERVER else partial(self._is_healthy, name)
            self._await(is_up, component, deadline)
            self.tell(Text("component_is_up", name=name))
        for dag_id in dag_ids:
            self._await(partial(self.api.knows, dag_id), started["dag-processor"], deadline)
            self.tell(Text("component_is_up", name=dag_id))

    @contextmanager
    def running(self, *dag_ids: str, patience: float = PATIENCE) -> Iterator[Self]:
        """Start everything, and end it after the block; see :meth:`start`."""
        try:
            self.start(*dag_ids, patience=patience)
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """End every process that :meth:`start` started, and their children; safe at any moment."""
        if self._api is not None:
            self._api.close()
        self._fork_server = None
        for each in self.processes.components:
            if each.name == "triggerer":  # else it waits ten seconds for triggers that have ended
                self.processes.kill_children(each)
        self.processes.stop()

    def has_parked(self, run_id: str, task_id: str) -> bool:
        """Tell whether the scheduler has noticed that a task went to wait, of which only its log tells."""
        parked = rf"state success for task instance TaskInstanceKey\(.*task_id='{task_id}', run_id='{run_id}'"
        return re.search(parked, (self.home / "scheduler.out").read_text("utf-8", "replace")) is not None

    def component_env(self) -> dict[str, str]:
        """Return the whole environment of a component: nothing of another Airflow leaks into this one."""
        kept = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW_")}
        # A proxy of this machine must not be asked for the sandbox, nor for the execution API.
        direct = {name: ",".join(filter(None, (kept.get(name), LOOPBACK))) for name in ("no_proxy", "NO_PROXY")}
        return {**kept, **direct, **TUNING, **self._settings(), **self._keys, **self.environment}

    @property
    def _temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def _passwords(self) -> Path:
        return self.home / "passwords.json"

    def _settings(self) -> dict[str, str]:
        everybody = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": str(self.account is None)}
        if self.account is not None:
            everybody["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = f"{self.account['username']}:admin"
            everybody["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(self._passwords)
        return everybody | {
            "AIRFLOW_HOME": str(self.home),
            "TMPDIR": str(self._temporary),  # what a killed process leaves there goes with the home
            # Four components write to one file: on a busy machine SQLite's five seconds are over soon. Much longer than
            # those would stop everything as long: Airflow's API server notes each act of a user in its event loop,
            # which the request that holds the lock needs for its end.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}?timeout=15",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG" if self.debug else "INFO",
        }

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        self.tell(Text("component_is_starting", name=name))
        output = self.home / f"{name}.out"
        if sys.platform == "darwin":  # its libraries do not survive a fork
            command = (sys.executable, "-m", "airflow", *arguments)
            return self.processes.start(name, command, self.component_env(), output)
        if self._fork_server is None:
            self._fork_server = ForkServer(self.processes, self.component_env())
        self._await(self._fork_server.is_ready, self._fork_server.component, self._deadline)
        return self._fork_server.fork(name, arguments, output)

    def _await(self, is_so: Callable[[], bool], component: Component, deadline: float) -> None:
        """Wait for a condition that ``component`` is to bring about, as long as all of them live."""
        while not is_so():
            self.check_lives()
            if time.monotonic() > deadline:
                raise OutOfTimeError(Text("demo_start_takes_too_long", why=_not_up(component, Text("was_not_ready"))))
            time.sleep(LOOK_SECONDS)

    def check_lives(self) -> None:
        """Raise :class:`AirflowStartError` when a component no longer runs."""
        for each in self.processes.components:
            if (code := each.process.poll()) or (code is not None and each.name in COMPONENTS):
                raise AirflowStartError(_not_up(each, Text("has_ended_with", code=code)))

    def _logged_in(self) -> bool:
        try:
            # Costs less than a client for each look.
            socket.create_connection((httpx.URL(self.url).host, self.port)).close()
            # At its first request the API of the tasks is built, which takes seconds: not when they wait for it.
            httpx.get(f"{self.url}/execution/health", timeout=TIMEOUT_SECONDS, trust_env=False)
            self._api = AirflowApi.login(self.url, self.account, self.check_lives)
        except (httpx.HTTPError, OSError):
            return False
        return True

    def _is_healthy(self, name: str) -> bool:
        return self.api.health().get(name.replace("-", "_")) == "healthy"


def _not_up(component: Component, why: Text) -> Text:
    return Text("component_is_not_up", name=component.name, why=why, lines=component.last_lines())

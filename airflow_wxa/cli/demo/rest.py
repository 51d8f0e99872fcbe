"""Airflow's REST API, as far as somebody who starts runs and watches them needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import httpx
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 20.0
PATIENCE_SECONDS = 30.0
PAGE_SIZE = 100
APPROVE = "Approve"


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One task of one run.

    :param state: Airflow's word; ``""`` while the task has none.
    """

    task_id: str
    state: str
    try_number: int


def _may_pass(error: BaseException) -> bool:
    """Tell whether a repetition helps: SQLite makes a busy Airflow answer some requests with HTTP 500."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


class AirflowApi:
    """What is sent may be sent twice: runs have ids of ours, and what was answered already counts as answered.

    :param client: with base URL and token.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def login(cls, url: str) -> Self:
        """Return a client of an Airflow in which everybody is an admin.

        :param url: scheme, host and port.
        :raises httpx.HTTPError: it does not answer, or not so.
        """
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as plain:
            token = plain.get(f"{url}/auth/token").raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        base_url = f"{url}/api/v2"
        return cls(httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False))

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

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the tasks of a run."""
        answer = self._get(f"{_run(dag_id, run_id)}/taskInstances", limit=PAGE_SIZE)
        return [
            TaskInstance(each["task_id"], each["state"] or "", each["try_number"]) for each in answer["task_instances"]
        ]

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
        self._send("PATCH", path, {"chosen_options": [APPROVE], "params_input": {}})

    def _get(self, path: str, **params: str | int) -> Any:
        """Return the JSON; ``None`` for what does not exist."""
        return self._request("GET", path, missing_is=httpx.codes.NOT_FOUND, params=params)

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self._request(method, path, missing_is=httpx.codes.CONFLICT, json=body)

    @retry(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    def _request(self, method: str, path: str, *, missing_is: int, **content: Any) -> Any:
        """Return the JSON of an answer.

        :param missing_is: the status that is no error: ``None`` is returned.
        :raises httpx.HTTPError: another refusal, or no answer for half a minute.
        """
        answer = self._client.request(method, path, headers={"Accept": "application/json"}, **content)
        if answer.status_code == missing_is:
            return None
        return answer.raise_for_status().json()


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

"""Runs at every place where the board lets somebody act, and readers before a page that acts."""

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select, update

from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_fleet_rollback import fleet_rollback_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.store import TaskRef
from airflow_wxa.store.questions import Question, told
from airflow_wxa.trial_link import BOARD_PREFIX
from tests.airflow_session import load_release_dag, register_dag
from tests.plugins.airflow_runs import APPID, DAG, FLEET, OTHER, PLATFORM, load_fleet, settle, write_domains
from tests.plugins.browser import Browser

CONF = {"appid": APPID, "template_id": "47", "user_version": "1.4.0", "webviewdomain": ["https://m.example.com"]}
SHOWN: dict[str, Any] = {
    "offline": {"lost": {"webviewdomain": ["https://h5.example.com"]}, "asked": {}, "not_proven": {}},
    "name": "<b>Tea House</b>",
    "template_id": "47",
    "what_changed": "spring sale",
    "online": {"version": "1.3.0", "time": 1_790_000_000},
    "auditid": "4711",
    "sheet": {"status": "approved", "reason": ""},
    "triggered_by": "li",
    "individual": False,
    "configured": ["https://m.example.com", "https://new.example.com"],
    "before": {"list": ["https://m.example.com", "https://old.example.com"]},
}
ORIGIN = {"Origin": "http://airflow"}
FILLED = {"template_id": "47", "user_version": "1.5.0", "webviewdomain": "https://m.example.com"}


def fields_of(shown: httpx.Response) -> dict[str, str]:
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown.text)
    return {name: html.unescape(value) for name, value in found}


@dataclass
class Page:
    """A reader before a page that acts."""

    browser: Browser
    role: str = "user"
    user: str = "lin"

    @property
    def _sent(self) -> dict[str, str]:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.browser.login(self.role, self.user) | ORIGIN | form

    def read(self, path: str) -> httpx.Response:
        return self.browser.get(path, self.role, self.user)

    def open(self, act: str, **about: str) -> httpx.Response:
        return self.read(f"/act/{act}?{urlencode(about)}")

    def fields(self, act: str, **about: str) -> dict[str, str]:
        shown = self.open(act, **about)
        assert shown.status_code == 200, shown.text
        return fields_of(shown)

    def request(self, act: str, fields: dict[str, str], **headers: str) -> tuple[str, str, dict[str, Any]]:
        return "POST", f"{BOARD_PREFIX}/act/{act}", {"content": urlencode(fields), "headers": self._sent | headers}

    def press(self, act: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        method, path, parts = self.request(act, fields, **headers)
        return self.browser.send(method, path, **parts)

    def do(self, act: str, about: dict[str, str], **answer: str) -> httpx.Response:
        """Open the page of an act, and press its button."""
        return self.press(act, self.fields(act, **about) | answer)

    def press_at_once(self, act: str, *fields: dict[str, str]) -> None:
        """Press a button several times at the same moment: it is done once."""
        answers = self.browser.send_at_once([self.request(act, each) for each in fields])
        assert sorted(each.status_code for each in answers) == [200] + [409] * (len(fields) - 1), answers[0].text

    def fill(self, **texts: str) -> httpx.Response:
        """Send the form of a release."""
        sent = urlencode({"dag_id": DAG, **texts})
        return self.browser.send("POST", f"{BOARD_PREFIX}/release", content=sent, headers=self._sent)

    def start(self, run_id: str, dag_id: str = DAG, **conf: Any) -> None:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": CONF | conf if dag_id == DAG else conf}
        headers = self.browser.login("admin", "lin")
        made = self.browser.send("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body, headers=headers)
        assert made.status_code == 200, made.text

    def asked(self, run_id: str, **question: Any) -> dict[str, str]:
        """Start a run and let it wait with a question."""
        self.start(run_id)
        ask(run_id, **question)
        return about(run_id)

    def failed(self, run_id: str, **states: str) -> dict[str, str]:
        """Start a run and let it fail at its domains."""
        self.start(run_id)
        set_states(run_id, run="failed", **states or {"configure_domains": "failed"})
        return about(run_id)

    def fleet(self, run_id: str) -> dict[str, str]:
        """Let a fleet of two run, of which the canary is released."""
        load_fleet(run_id, [("canary", APPID), ("rest", OTHER)], {"outcome": "released"})
        self.start(run_id, FLEET, manifest="sale.yaml", shard_size=50)
        return about(run_id, FLEET)

    def gate(self, run_id: str, *, approvers: Sequence[str] = (), differ: bool = False) -> dict[str, str]:
        """Let a fleet that ``li`` started stand before its canary's gate, which has closed."""
        this = self.fleet(run_id)
        set_states(run_id, FLEET, run="failed", canary_gate="failed")
        facts = told("ledger", named=True, failed=3, total=5, unended=0)
        facts |= told("run", approvers=list(approvers), approver_must_differ=differ)
        task = TaskRef(dag_id=FLEET, run_id=run_id, task_id="canary_gate", triggered_by="li")
        open_ledger().asked(PLATFORM, "", task, lambda nonce: Question("gate", facts, nonce))
        return this

    def possible(self, act: str, run_id: str) -> dict[str, str]:
        """Bring a run to where an act is possible, and return what the act is about."""
        if act in {"stop", "open_gate", "rerun", "undo"}:
            this = self.gate(run_id) if act == "open_gate" else self.fleet(run_id)
            set_states(run_id, FLEET, run="running" if act == "stop" else "failed")
            return this
        self.failed(run_id)
        settle(APPID, run_id, outcome="stopped", errcode=61003)
        if act == "answer":
            ask(run_id)
        if act == "register":
            write_domains(run_id, "https://shop.example.org")
        return about(run_id)


@pytest.fixture
def page(airflow: Browser, dags: None, url: str, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "signs-the-pages-of-this-test")
    return Page(airflow)


@pytest.fixture(scope="session")
def dags(airflow_database: None) -> None:
    for dag in (load_release_dag(), fleet_release_dag(), platform_domains_dag(), rollback_dag(), fleet_rollback_dag()):
        register_dag(dag)


def about(run_id: str, dag_id: str = DAG) -> dict[str, str]:
    """Return what an act on a run is about: one of a Mini Program, or of a fleet."""
    return {"dag_id": dag_id, "run_id": run_id} | ({"appid": APPID} if dag_id == DAG else {})


def set_states(run_id: str, dag_id: str = DAG, *, run: str = "running", **states: str) -> None:
    with create_session() as session:
        for ti in session.scalars(select(TaskInstance).where(TaskInstance.run_id == run_id)):
            if ti.dag_id == dag_id and ti.task_id in states:
                ti.state = states[ti.task_id]
        session.scalars(select(DagRun).where(DagRun.run_id == run_id, DagRun.dag_id == dag_id)).one().state = run


def states_of(run_id: str, dag_id: str = DAG) -> dict[str, str | None]:
    query = select(TaskInstance.task_id, TaskInstance.state)
    with create_session() as session:
        found = query.where(TaskInstance.run_id == run_id, TaskInstance.dag_id == dag_id)
        return {task_id: state and str(state) for task_id, state in session.execute(found)}


def runs_of(dag_id: str) -> dict[str, dict[str, Any]]:
    with create_session() as session:
        return {run.run_id: run.conf for run in session.scalars(select(DagRun).where(DagRun.dag_id == dag_id))}


@contextmanager
def started(dag_id: str) -> Iterator[dict[str, Any]]:
    """Give the conf of the one run that is started while the block runs, and its id as ``dag_run_id``, once it has."""
    before, found = runs_of(dag_id), dict[str, Any]()
    yield found
    ((run_id, conf),) = ((each, conf) for each, conf in runs_of(dag_id).items() if each not in before)
    found |= {"dag_run_id": run_id, **conf}


def ask(
    run_id: str,
    *,
    seconds_ago: float = 60,
    assigned: str = "",
    shown: str | None = None,
    triggered_by: str = "",
    question: tuple[str, Any, str, str] | None = None,
) -> None:
    """Let a run wait with a question, as the operator leaves it."""
    facts = told("run", named=True, user_version="1.4.0") | told("run", appid=APPID, trial="https://elsewhere.example")
    facts |= told("WeChat", **SHOWN)
    with create_session() as session:
        found = select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.task_id == "approve_release")
        ti = session.scalars(found).one()
        ti.state = "awaiting_input"
        task = TaskRef(dag_id=DAG, run_id=run_id, task_id=ti.task_id, ti_id=str(ti.id), triggered_by=triggered_by)
        if triggered_by:
            facts |= told("params", approver_must_differ=True)
        text = "goes offline: nothing\n\n| version |\n| --- |\n| <b>1.4.0</b> |"
        asks, facts, subject, text = question or ("release", facts, f"Release 1.4.0 of {APPID}?", text)
        asked = open_ledger().asked(PLATFORM, APPID, task, lambda nonce: Question(asks, facts, nonce))
        body = f"{text}\n\n{shown or asked.line}"
        users = [{"id": assigned, "name": assigned}] if assigned else []
        options = ["Approve", "Reject"]
        more: dict[str, Any] = {"multiple": False, "params": {}, "assignees": users}
        session.add(HITLDetail(ti_id=ti.id, subject=subject, body=body, options=options, **more))
        session.flush()
        asked_at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        session.execute(update(TaskInstance).where(TaskInstance.id == ti.id).values(updated_at=asked_at))

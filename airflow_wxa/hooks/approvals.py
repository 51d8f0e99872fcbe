"""Approvals: whether a run needs one, and the decision that is read from the ledger.

A decision is read where nobody but this package writes. An XCom and the state of a task can be set by all who may edit
a run, so they decide nothing.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk import Context

from airflow_wxa.errors import WxaSpecError, WxaStateError
from airflow_wxa.steps import Approved
from airflow_wxa.store import Ledger
from airflow_wxa.store.fleets import FleetRun
from airflow_wxa.store.ledger import Entry
from airflow_wxa.store.questions import values_of
from airflow_wxa.texts import Text

HOW_TO: Final = "airflow-wxa docs approve"


def is_approval_wanted(context: Context | None) -> bool:
    """Tell whether a run needs an approval; a key of its conf that the DAG does not declare decides nothing.

    :param context: of a task of the run; outside of a task, ``None``, it is needed.
    """
    return context is None or "approval" not in context["dag"].params or context["params"]["approval"] is not False


def refusal(task_id: str, asked: Approved, decision: Mapping[str, Any]) -> WxaStateError | None:
    """Return why a decision does not let the task do what it asks; ``None``: it does.

    :param decision: the latest of the approval's task; empty: nobody was asked.
    """
    outcome = decision.get("outcome", "never asked")
    about = json.loads(json.dumps(dict(asked.about)))  # as the ledger keeps it: tuples are lists there
    if "question" not in decision:  # from before questions were kept: it names fewer facts
        about = {name: value for name, value in _as_before(about).items() if name in decision}
    differs = [name for name, value in about.items() if decision.get(name) != value]
    if outcome == "approved" and not differs:
        return None
    return WxaStateError(
        Text("something_else_was_approved", task_id=task_id)
        if outcome == "approved"
        else Text("nobody_has_approved", task_id=task_id),
        values={asked.approval_task_id: outcome}
        | {name: f"{about[name]!r}, approved was {decision.get(name)!r}" for name in differs if outcome == "approved"},
        why=Text("decision_of_this_run_counts"),
        next_step=Text("trigger_a_new_run")
        if outcome == "approved"
        else Text("clear_and_let_approve", approval_task_id=asked.approval_task_id),
        source=HOW_TO,
        appid=asked.appid,
    )


def _as_before(about: dict[str, Any]) -> dict[str, Any]:
    """Return facts by the names that decisions had before questions were kept: those on a rollback had their own."""
    if "target" not in about:
        return about
    online, target = about["online"], about["target"] or {}
    versions = {name: target.get(name) for name in ("user_version", "app_version")}
    return {"online": online["version"], "online_since": online["time"], **versions}


def open_gate(ledger: Ledger, run: FleetRun, wave: str, *, by: str, why: str, user: str = "") -> str:
    """Note that somebody lets a fleet go on behind a gate that closed, and return the gate's task id.

    It opens once it is cleared, if its figures are the same then.

    :param by: the person's name, as a run holds that of its user; FAB's ids are numbers.
    :param user: id of an Airflow user that was proven; ``""``: none was.
    :raises WxaSpecError: the gate is not closed, or may not be opened so.
    """
    rows = ledger.entries(
        component_appid=run.component_appid, appid="", run_id=run.run_id, dag_ids=[run.dag_id], most=None
    )
    of_gate = [row for row in rows if row.task.task_id.rpartition(".")[2] == f"{wave}_gate"]
    latest = next((row for row in of_gate if row.after and not row.errmsg), None)
    if latest is None or latest.after["outcome"] != "asked" or run.stopped_by is not None:
        raise WxaSpecError(Text("gate_cannot_be_opened", wave=wave), [Text("gate_is_not_closed", run_id=run.run_id)])
    facts = values_of(latest.asked["question"])
    if latest.after["unended"]:
        raise WxaSpecError(Text("gate_cannot_be_opened", wave=wave), [Text("gate_waits_for_a_shard")])
    if (facts["approvers"] or facts["approver_must_differ"]) and not user:
        raise WxaSpecError(Text("gate_cannot_be_opened", wave=wave), [Text("gate_needs_a_proven_user")])
    if not may_open_gate(latest, user, by):
        raise WxaSpecError(Text("gate_cannot_be_opened", wave=wave), [Text("gate_is_not_theirs", user=user)])
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    ledger.answer(latest, {**latest.after, "outcome": "approved", "by": by, "at": at, "why": why})
    return latest.task.task_id


def may_open_gate(asked: Entry, user: str, name: str) -> bool:
    """Tell whether a gate that asks may be opened by a user, of this id and name."""
    facts = values_of(asked.asked["question"])
    is_named = not facts["approvers"] or user in facts["approvers"]
    return is_named and not (facts["approver_must_differ"] and is_trigger(asked, user, name))


def is_trigger(asked: Entry, user: str, name: str) -> bool:
    """Tell whether a user triggered the run that asks; a run names its user by name, and FAB's ids are numbers."""
    return asked.task.triggered_by in (user, name)

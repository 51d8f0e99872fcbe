"""Approvals: whether a run needs one, and the decision that is read from the ledger.

A decision is read where nobody but this package writes. An XCom and the state of a task can be set by all who may edit
a run, so they decide nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from airflow_wxa.errors import WxaStateError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from airflow.sdk import Context

    from airflow_wxa.steps import Approved

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

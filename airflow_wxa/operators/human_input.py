"""Messages to Airflow's supervisor: the request for input, and the skip of tasks that nobody asks for.

Airflow shows a cleared task's first request for good (apache/airflow#73235); its API answers with the stored one, which
``HITLOperator`` drops. So the request is sent from here. This is the only module that relies on names which Airflow
does not promise; ``tests/operators/test_human_input.py`` lists them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn
from uuid import UUID

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.sdk import Context, exceptions, timezone


def put(operator: HITLOperator, ti_id: UUID) -> dict[str, Any]:
    """Put an operator's request, and return the one that Airflow shows; both by the names of the payload's fields."""
    asked: dict[str, Any] = {
        "subject": operator.subject,
        "body": operator.body,
        "options": operator.options,
        "defaults": operator.defaults,
        "multiple": operator.multiple,
        "params": operator.serialized_params,
        "assigned_users": operator.assigned_users or [],
    }
    return stored(ti_id, asked)


def stored(ti_id: UUID, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request for input; Airflow keeps an earlier one, drops its answer, and returns what it has kept."""
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload  # noqa: PLC0415  (of a running task)
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS  # noqa: PLC0415  (set when a task begins)

    answer = SUPERVISOR_COMMS.send(CreateHITLDetailPayload.model_validate({"ti_id": ti_id, **asked}))
    kept: dict[str, Any] = answer.model_dump() if answer is not None else {}
    return kept


def skip_tasks(task_ids: Sequence[str | tuple[str, int]]) -> None:
    """Skip tasks of the run, as ``DownstreamTasksSkipped`` does, but keep the output that others are mapped over."""
    from airflow.sdk.execution_time.comms import SkipDownstreamTasks  # noqa: PLC0415  (of a running task)
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS  # noqa: PLC0415  (set when a task begins)

    SUPERVISOR_COMMS.send(SkipDownstreamTasks(tasks=list(task_ids)))


def is_shown(line: str, options: Sequence[str], users: Collection[str], kept: Mapping[str, Any]) -> bool:
    """Tell whether Airflow shows a question: its last line, its options, and the ids of the users who may answer."""
    body = str(kept.get("body") or "").rstrip().rpartition("\n")[2]
    assigned = {user["id"] for user in kept.get("assigned_users") or ()}
    return body == line and list(kept.get("options") or ()) == list(options) and assigned == set(users)


def wait(operator: HITLOperator, context: Context) -> NoReturn:
    """Wait for the answer without taking a worker; ``execute_complete`` gets it."""
    timeout = operator.response_timeout
    until = timezone.utcnow() + timeout if timeout else None
    operator.hitl_summary_extra["timeout_datetime"] = until.isoformat() if until else None
    for notifier in operator.notifiers:
        notifier(context)
    if awaiting := getattr(exceptions, "TaskAwaitingInput", None):
        raise awaiting(method_name="execute_complete", timeout=timeout)
    operator.defer(  # Airflow 3.2
        trigger=HITLTrigger(
            ti_id=context["ti"].id,
            options=operator.options,
            defaults=operator.defaults,
            params=operator.serialized_params,
            multiple=operator.multiple,
            timeout_datetime=until,
        ),
        method_name="execute_complete",
    )

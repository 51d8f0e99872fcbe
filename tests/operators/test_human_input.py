"""The names of Airflow that :mod:`airflow_wxa.operators.human_input` relies on, and that Airflow does not promise.

A failure here says that another Airflow asks people in another way: look there, and at apache/airflow#73235.
"""

import inspect
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk import exceptions
from airflow.sdk.execution_time import comms, supervisor, task_runner

from airflow_wxa.operators import human_input

pytestmark = pytest.mark.usefixtures("airflow_database")

LINE = "question 0a1b"
REQUEST: dict[str, Any] = {
    "subject": "Release 1.4.0?",
    "body": f"| | |\n\n{LINE}",
    "options": ["Approve", "Reject"],
    "defaults": None,
    "multiple": False,
    "params": {},
    "assigned_users": [{"id": "wu", "name": "wu"}],
}


def test_the_request_is_a_message_to_the_supervisor_whose_answer_is_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(message: Any) -> Any:
        return comms.HITLDetailRequestResult(**REQUEST | {"ti_id": message.ti_id, "body": "the first question"})

    send = Mock(side_effect=answer)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=send), raising=False)
    kept = human_input.stored(ti_id := uuid4(), REQUEST)
    [(message,)] = (each.args for each in send.mock_calls)
    assert (type(message), message.ti_id, message.body) == (comms.CreateHITLDetailPayload, ti_id, REQUEST["body"])
    assert kept["body"] == "the first question"
    assert set(REQUEST) <= set(comms.CreateHITLDetailPayload.model_fields)
    assert set(REQUEST) <= set(comms.HITLDetailRequestResult.model_fields)
    assert "HITLDetailRequestResult.from_api_response" in inspect.getsource(supervisor)


def test_the_operator_drops_the_answer_and_has_what_a_request_is_made_of() -> None:
    assert inspect.signature(hitl.upsert_hitl_detail).return_annotation in {None, "None"}
    ask = hitl.ApprovalOperator(task_id="ask", subject="?", assigned_users=[{"id": "wu", "name": "wu"}])
    for name in ("subject", "body", "options", "defaults", "multiple", "serialized_params", "assigned_users"):
        assert hasattr(ask, name)
    assert ask.hitl_summary_extra is not None
    assert list(ask.notifiers) == []
    assert ask.options == [ask.APPROVE, ask.REJECT]


def test_the_wait_is_what_the_operator_raises() -> None:
    if awaiting := getattr(exceptions, "TaskAwaitingInput", None):
        assert {"method_name", "timeout"} <= set(inspect.signature(awaiting).parameters)
        assert "raise TaskAwaitingInput(" in inspect.getsource(hitl.HITLOperator.execute)
    else:
        assert "self.defer(" in inspect.getsource(hitl.HITLOperator.execute)


def test_whoever_wants_to_know_is_told_that_a_person_is_asked() -> None:
    told: list[Any] = []
    ask = hitl.ApprovalOperator(task_id="ask", subject="?", notifiers=[told.append])  # type: ignore[list-item]
    context: Any = {"ti": SimpleNamespace(id=uuid4())}
    with pytest.raises(getattr(exceptions, "TaskAwaitingInput", exceptions.TaskDeferred)):
        human_input.wait(ask, context)
    assert told == [context]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"subject": "as it reads in another language"}, True),
        ({"body": f"{LINE}\n\nquestion 0a1c"}, False),
        ({"body": f"a fact that says {LINE}"}, False),
        ({"body": None}, False),
        ({"options": ["Approve"]}, False),
        ({"assigned_users": []}, False),
        ({"assigned_users": [{"id": "chen", "name": "wu"}]}, False),
    ],
)
def test_airflow_shows_a_question_if_it_shows_its_line_to_the_same_people(changes: dict[str, Any], shown: bool) -> None:
    assert human_input.is_shown(LINE, ["Approve", "Reject"], ["wu"], REQUEST | changes) is shown

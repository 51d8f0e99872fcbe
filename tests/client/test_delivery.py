"""What a delivery wants done, and when: driven with plain values, without a client."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_wxa import steps
from airflow_wxa.api.authorisation import api_component_token
from airflow_wxa.api.call import Call
from airflow_wxa.api.code import CodeVersion, commit, getversioninfo
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client.delivery import Answer, Deliverer, Delivery, Note, Request, TokenOf
from airflow_wxa.errors import WxaCredentialError, WxaError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.tables import each_row

READ = getversioninfo(APPID)
PROVEN = api_component_token(COMPONENT_APPID, Secret("s"), Secret("t"))
WRITE = commit(CodeVersion.of(APPID, 47, "1.4.0"), "release")
DONE = Answer(200, b'{"errcode":0,"errmsg":"ok"}')
LOST = Answer(failure="the connection broke")


def refused(errcode: int) -> Answer:
    return Answer(200, json.dumps({"errcode": errcode, "errmsg": "no"}).encode())


#: An observer whose methods are compared, and never called.
WATCHER: Any = SimpleNamespace(
    **{name: object() for name in ("before", "after", "ended", "recall", "left", "approved")}
)


class Carrier:
    """Does what a delivery wants: hands tokens and answers out in turn, and keeps what was wanted."""

    def __init__(self, *answers: Answer | WxaError, tokens: Sequence[str] = ("first", "second", "third")) -> None:
        self.answers = iter(answers)
        self.tokens = iter(map(Secret, tokens))
        self.wanted: list[Any] = []

    def carry(self, delivery: Delivery[Any]) -> Any:
        result: Any = None
        while True:
            try:
                wanted = delivery.throw(result) if isinstance(result, WxaError) else delivery.send(result)
            except StopIteration as stop:
                return stop.value
            self.wanted.append(wanted)
            result = self._done(wanted)

    def _done(self, wanted: Any) -> Any:
        if isinstance(wanted, TokenOf):
            return next(self.tokens)
        if isinstance(wanted, Note):
            return 7 if wanted.write == WATCHER.before else None
        return next(self.answers) if isinstance(wanted, Request) else None

    @property
    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.wanted]


def send(carrier: Carrier, call: Call, observer: Any = None) -> Any:
    return carrier.carry(Deliverer("https://h", observer).call(call))


# Tokens


@each_row("call, owner", [(READ, APPID), (modify_wxa_jump_domain("get"), ""), (PROVEN, None)])
def test_a_token_is_asked_for_by_its_owner_alone(call: Call, owner: str | None) -> None:
    carrier = Carrier(refused(85004))
    with pytest.raises(WxaError):
        send(carrier, call)
    asked = [each for each in carrier.wanted if isinstance(each, TokenOf)]
    assert asked == ([] if owner is None else [TokenOf(owner)])


@pytest.mark.parametrize("errcode", [40001, 40014, 42001, 42006])
@pytest.mark.parametrize("call", [READ, WRITE])
def test_a_refused_token_is_replaced_also_for_a_write(call: Call, errcode: int) -> None:
    carrier = Carrier(refused(errcode), refused(errcode), Answer(200, b'{"errcode":0,"release_info":{}}'))
    send(carrier, call)
    assert carrier.kinds == ["TokenOf", "Request"] * 3  # what another process stored may be dead as well
    assert carrier.wanted[2] == TokenOf(APPID, (Secret("first"),))
    assert carrier.wanted[4] == TokenOf(APPID, (Secret("first"), Secret("second")))


@pytest.mark.parametrize(("tokens", "sent"), [("abc", 3), (["same", "same"], 1)])
def test_three_refused_tokens_are_enough_and_one_that_is_given_again_has_no_successor(tokens: Any, sent: int) -> None:
    carrier = Carrier(*[refused(40001)] * 9, tokens=tokens)
    with pytest.raises(WxaCredentialError, match="40001"):
        send(carrier, WRITE)
    assert carrier.kinds == ["TokenOf", "Request"] * sent + ["TokenOf"] * (sent == 1)


# Repetition


def test_a_safe_call_is_repeated_after_pauses_that_grow() -> None:
    carrier = Carrier(LOST, refused(-1), LOST)
    with pytest.raises(WxaTransportError):
        send(carrier, READ)
    assert carrier.kinds == ["TokenOf", "Request", "Pause", "Request", "Pause", "Request"]
    first, second = (each.seconds for each in carrier.wanted if isinstance(each, steps.Pause))
    assert (0 <= first <= 0.25, 0 <= second <= 0.5) == (True, True)


# Notes


@pytest.mark.parametrize("answer", [DONE, LOST])
def test_a_write_is_noted_before_it_is_sent_and_what_became_of_it_after_and_a_read_is_not(answer: Answer) -> None:
    carrier = Carrier(answer)
    try:
        told = send(carrier, WRITE, WATCHER)
    except WxaTransportError as error:
        told = error
    assert carrier.kinds == ["TokenOf", "Note", "Request", "Note"]
    before, after = (each for each in carrier.wanted if isinstance(each, Note))
    assert (before, after) == (Note(WATCHER.before, WRITE), Note(WATCHER.after, (7, told)))
    assert isinstance(told, WxaTransportError) == (answer is LOST)
    read = Carrier(Answer(200, b'{"errcode":0}'))
    send(read, READ, WATCHER)
    assert "Note" not in read.kinds


def writing(ends_in: WxaError | str) -> steps.Step[str]:
    yield READ
    yield steps.Pause(3)
    yield WRITE
    yield READ
    if isinstance(ends_in, WxaError):
        raise ends_in
    return ends_in


@pytest.mark.parametrize("end", ["outcome", WxaStateError("stopped")])
def test_the_end_of_a_step_is_noted_beside_its_last_write(end: WxaError | str) -> None:
    carrier = Carrier(Answer(200, b'{"errcode":0}'), DONE, Answer(200, b'{"errcode":0}'), tokens="abc")
    try:
        ended = carrier.carry(Deliverer("https://h", WATCHER).step(writing(end)))
    except WxaStateError as stopped:
        ended = stopped
    assert ended == end
    assert carrier.wanted[-1] == Note(WATCHER.ended, (WRITE, end))
    assert steps.Pause(3) in carrier.wanted


def asking() -> steps.Step[steps.AcceptedWrites]:
    return (yield from steps.recall(APPID, "f1"))


def test_a_question_goes_to_the_observer_and_its_answer_into_the_step() -> None:
    known, delivery = steps.NOTHING_ACCEPTED.with_write("commit", None), Deliverer("https://h", WATCHER).step(asking())
    assert next(delivery) == Note(WATCHER.recall, steps.Recall(APPID, "f1"))
    assert delivery.send(known) == Note(WATCHER.ended, (None, known))


LEFT, APPROVAL = steps.changes_left("modify_domain", APPID), steps.approved(steps.Approved("approve", APPID, {}))


@each_row("step, said", [(LEFT, "modify_domain not sent"), (APPROVAL, "nothing sent")])
def test_without_a_ledger_nothing_is_known_and_a_budget_or_an_approval_stops(step: steps.Step[Any], said: str) -> None:
    with pytest.raises(WxaStateError, match=f"{said}: no ledger is kept here") as refused:
        Carrier().carry(Deliverer("https://h", None).step(step))
    assert refused.value.appid == APPID
    for needless, known in ((asking(), steps.NOTHING_ACCEPTED), (steps.approved(None), None)):
        assert Carrier().carry(Deliverer("https://h", None).step(needless)) == known


def test_a_write_that_could_not_be_noted_was_none() -> None:
    delivery = Deliverer("https://h", WATCHER).step(writing("outcome"))
    carrier = Carrier(Answer(200, b'{"errcode":0}'), tokens="abc")
    store_fails = WxaTransportError("the store does not answer")
    do = carrier._done
    carrier._done = lambda wanted: store_fails if wanted == Note(WATCHER.before, WRITE) else do(wanted)  # type: ignore[method-assign]
    with pytest.raises(WxaTransportError, match="the store does not answer"):
        carrier.carry(delivery)
    assert carrier.wanted[-1] == Note(WATCHER.ended, (None, store_fails))

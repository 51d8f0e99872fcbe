"""The error tree: what its texts hold, and what they leave out."""

import pickle
from typing import Any

from airflow_wxa import errors
from airflow_wxa.errors import WxaApiError, WxaAuditRejected, WxaError, WxaSpecError, WxaStateError, WxaTransportError
from tests.tables import each_row


@each_row("name", errors.__all__)
def test_every_error_is_one_of_ours_and_stands_in_the_tree_that_the_module_draws(name: str) -> None:
    cls = getattr(errors, name)
    assert (issubclass(cls, WxaError), name in (errors.__doc__ or ""), bool(cls.__doc__)) == (True,) * 3


#: Parts of an error, and the lines behind its first.
PARTS = [
    (
        {"values": {"a": 1}, "why": "why", "next_step": "next", "source": "source", "appid": "wx1"},
        ["appid wx1, a 1", "why", "next", "source"],
    ),
    ({}, []),
    ({"source": "there"}, ["there"]),
    ({"values": {"appid": "wx2"}, "appid": "wx1"}, ["appid wx2"]),  # not twice
    ({"values": {"a": "x" * 400}}, ["a " + "x" * 400]),
    ({"values": {"a": "x" * 403}}, ["a " + "x" * 400 + "… (3 more characters)"]),
]


@each_row("parts, lines", PARTS)
def test_the_five_parts_stand_a_line_each_and_a_long_value_is_cut(parts: Any, lines: list[str]) -> None:
    assert str(WxaError("what", **parts)).split("\n  ") == ["what", *lines]


def test_a_spec_error_names_every_problem_and_that_nothing_was_sent() -> None:
    error = WxaSpecError("refused", ["first = 1", "second = 2"], next_step="correct both")
    assert str(error) == "refused (nothing was sent)\n  - first = 1\n  - second = 2\n  correct both"
    assert error.problems == ("first = 1", "second = 2")


#: An error of each kind, and whether its repetition helps, which its class says unless the error knows better.
ERRORS = [
    (WxaSpecError("refused", ["first"], appid="wx1"), False),
    (WxaTransportError("lost", endpoint="commit"), True),
    (WxaTransportError("lost", retryable=False), False),
    (WxaStateError("stopped", values={"ours": "1"}), False),
    (WxaStateError("stopped", retryable=True), True),
    (WxaApiError("refused", errcode=1, errmsg="m", rid="r", retryable=True), True),
    (WxaAuditRejected("rejected", reason="because", screenshot=["m1"]), False),
]


@each_row("error, retryable", ERRORS)
def test_an_error_says_who_acts_and_keeps_all_it_knows_when_pickled(error: WxaError, retryable: bool) -> None:
    assert error.retryable is retryable
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (type(copy), str(copy), repr(copy), copy.__dict__) == (type(error), str(error), repr(error), error.__dict__)

"""Steps driven by hand: WeChat is a script of plain values."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

from airflow_wxa import steps
from airflow_wxa.api.call import Call, Reply, read_reply
from airflow_wxa.errors import WxaError, WxaPermissionError
from airflow_wxa.steps import NOTHING_ACCEPTED, AcceptedWrites, Approved, Left, Pause, Platform, Recall, Step
from tests.steps.answers import ACCEPTED, APPROVED, NO_SHEET, OURS, QUOTA, VERSION, versions

Answer = dict[str, Any] | int | WxaError
#: How a step ends: carries it, and returns the outcome or the error that was expected.
Ending = Callable[[Callable[[], Any]], Any]
T = TypeVar("T")
_PLAIN = steps.Submission()

#: Endpoints that nearly every script answers, by the short names that scripts have for them.
SHORT = {
    "looks": "getversioninfo",
    "sheets": "get_latest_auditstatus",
    "status": "get_auditstatus",
    "own": "setwebviewdomain",
    "direct": "setwebviewdomain_directly",
    "effective": "get_effective_webviewdomain",
    "hosts": "modify_wxa_jump_domain",
    "scan": "get_code_privacy_info",
}
#: Readings of what is online or direct: where a script does not tell them, WeChat refuses them, and nobody counts them.
_ONLINE = ("get_effective_webviewdomain", "get_effective_domain", "setwebviewdomain_directly")


class Script:
    """What each endpoint answers, in order, and what it was asked.

    An answer is a JSON object, an errcode, or an error that the client raises instead. Bodies and answers go through
    the same checks as over HTTP.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.pauses: list[float] = []
        self.questions: list[Recall | Left | Approved | Platform] = []

    @property
    def asked(self) -> list[str]:
        """Return the endpoints in the order they were asked."""
        return [call.endpoint.name for call in self.calls]

    def bodies(self, endpoint: str) -> list[dict[str, Any]]:
        """Return what was sent to one endpoint."""
        return [dict(call.body) for call in self.calls if call.endpoint.name == endpoint]

    def play(
        self,
        step: Step[T],
        known: AcceptedWrites = NOTHING_ACCEPTED,
        left: int = 50,
        approved: bool | WxaError = False,
        platform: str = "",
        **answers: Sequence[Answer] | Answer,
    ) -> T:
        """Carry the step to its end; every answer of the script must have been asked for by then.

        :param known: the run's accepted writes, as its ledger has them.
        :param left: how often a counted call may still be sent.
        :param approved: whether a person was asked and has approved; an error is raised in the step.
        :param platform: ``component_appid`` of the Connection.
        :param answers: name or short name of an endpoint → what it answers, call by call or once.
        """
        is_approved = {"outcome": "approved"} if approved is True else approved or None
        knows = {Recall: known, Left: left, Approved: is_approved, Platform: platform}
        said_by = {
            SHORT.get(name, name): list(said) if isinstance(said, list | tuple) else [said]
            for name, said in answers.items()
        }
        try:
            return self._carry(step, said_by, knows)
        finally:
            assert {endpoint: said for endpoint, said in said_by.items() if said} == {}, "answers nobody asked for"

    def commits(
        self, *looks: dict[str, Any], sheets: Any = NO_SHEET, said: Any = 0, withdraw: bool = False, **more: Any
    ) -> steps.CommitOutcome:
        """Commit our version while WeChat answers so: each look at the versions, the latest sheet, and the commit.

        :param said: ``None``: it is not sent; so in all of these.
        """
        step = steps.commit_code(VERSION, "release 1.4.0", withdraw_foreign_audit=withdraw)
        return self.play(step, looks=looks, sheets=sheets, **_sent(commit=said), **more)

    def submits(
        self, *sheets: Any, how: Any = _PLAIN, said: Any = ACCEPTED, trial: Any = OURS, quota: Any = QUOTA, **more: Any
    ) -> steps.SubmitOutcome:
        """Submit our version while WeChat answers so: each look at the latest sheet, and the submission.

        :param trial: the version on trial; ``"unasked"``: it is not looked at. ``quota``: likewise with ``None``.
        """
        looks = {} if trial == "unasked" else {"looks": versions(trial)}
        asked = _sent(submit_audit=said, queryquota=quota)
        return self.play(steps.submit_version(VERSION, how), sheets=sheets, **looks, **asked, **more)

    def releases(
        self, *looks: Any, wanted: Any = (), said: Any = 0, sheets: Any = APPROVED, **more: Any
    ) -> steps.ReleaseOutcome:
        """Release our version while WeChat answers so: each look at the versions, the latest sheet, and the release."""
        how = {name: more.pop(name) for name in ("prove", "noted_auditid", "approval") if name in more}
        step = steps.release_version(VERSION, wanted, **how)
        return self.play(step, looks=looks, sheets=sheets, **_sent(release=said), **more)

    def verifies(self, *effective: Any, wanted: Any = (), online: Any = OURS, **more: Any) -> steps.ReleaseOutcome:
        """Verify the release of our version while WeChat answers so: each look at the effective domains."""
        how = {name: more.pop(name) for name in ("individual", "released_at") if name in more}
        step = steps.verify_release(VERSION, wanted, **how)
        return self.play(step, looks=versions(None, online), effective=effective, **more)

    def _carry(self, step: Step[T], left: dict[str, list[Answer]], knows: dict[type, Any]) -> T:
        reply: Any = None
        error: WxaError | None = None
        while True:
            try:
                wish = step.throw(error) if error else step.send(reply)
            except StopIteration as stop:
                outcome: T = stop.value
                return outcome
            reply = error = None
            try:
                if isinstance(wish, Pause):
                    self.pauses.append(wish.seconds)
                elif isinstance(wish, Call):
                    reply = self._answer(wish, left.get(wish.endpoint.name))
                else:
                    self.questions.append(wish)
                    reply = _unless_error(knows[type(wish)])
            except WxaError as refused:
                error = refused

    def _answer(self, call: Call, said: list[Answer] | None) -> Reply:
        if call.endpoint.name in _ONLINE and not said:
            raise WxaPermissionError("not told", errcode=61007)
        content = call.content()
        self.calls.append(call)
        assert said, f"the script has no answer for {call.endpoint.name} {content!r}"
        answer = _unless_error(said.pop(0))
        answer = {"errcode": answer, "errmsg": "said WeChat rid: 0-1-2"} if isinstance(answer, int) else answer
        return read_reply(call, 200, json.dumps(answer).encode())


def _unless_error(said: Any) -> Any:
    if isinstance(said, WxaError):
        raise said
    return said


def _sent(**said: Any) -> dict[str, Any]:
    return {name: each for name, each in said.items() if each is not None}


def done(*words: str, **fields: Any) -> Ending:
    """Expect an outcome of one of these words, with these fields."""

    def expect(play: Callable[[], Any]) -> Any:
        found = play()
        assert found.outcome in words
        assert {name: getattr(found, name) for name in fields} == fields
        return found

    return expect


def stops(error: type[Exception] | WxaError, *told: str, **fields: Any) -> Ending:
    """Expect an error with these fields, whose text matches each of these; or the very one that a client raised."""
    kind = type(error) if isinstance(error, WxaError) else error

    def expect(play: Callable[[], Any]) -> Any:
        with pytest.raises(kind) as raised:
            play()
        assert [each for each in told if not re.search(each, str(raised.value))] == [], raised.value
        assert {name: getattr(raised.value, name) for name in fields} == fields
        assert raised.value is error or error is kind
        return raised.value

    return expect


@pytest.fixture
def script() -> Script:
    """Return an empty script."""
    return Script()

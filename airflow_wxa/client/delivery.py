"""Delivery of calls and steps, without any I/O: repetitions, renewal of tokens, notes.

A delivery is a generator, as a step is: it yields what it wants done, is sent the result or has the error thrown into
it, and returns what it was for. Both clients carry deliveries; all that they add is how to send and how to sleep.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

from airflow_wxa.api.call import MAX_ANSWER_BYTES, reply_or_error
from airflow_wxa.api.errcodes import (
    ACCESS_TOKEN_EXPIRED,
    COMPONENT_ACCESS_TOKEN_EXPIRED,
    INVALID_ACCESS_TOKEN,
    INVALID_CREDENTIAL,
    SYSTEM_ERROR,
)
from airflow_wxa.client.telemetry import count, span_of
from airflow_wxa.client.wire import url_of
from airflow_wxa.errors import WxaApiError, WxaCredentialError, WxaError, WxaSpecError, WxaStateError, WxaTransportError
from airflow_wxa.steps.lag import NOTHING_ACCEPTED
from airflow_wxa.steps.outcome import Approved, Left, Pause, Platform, Recall
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.steps import AcceptedWrites, Step
    from airflow_wxa.steps.outcome import Effect

T = TypeVar("T")
W = TypeVar("W")
F = TypeVar("F", bound=Callable[..., Any])

#: A token that WeChat does not take (any more); 40001 also says that it is not the latest.
_TOKEN_REFUSED: Final = frozenset(
    {INVALID_CREDENTIAL, INVALID_ACCESS_TOKEN, ACCESS_TOKEN_EXPIRED, COMPONENT_ACCESS_TOKEN_EXPIRED}
)
#: The longest pauses before a second and a third attempt, in seconds.
PAUSES: Final = (0.25, 0.5)
#: Tokens that a call is sent with: the one at hand, the one that another process stored since, and a fresh one.
_MOST_TOKENS: Final = 3


class TokenSource(Protocol):
    """Gives tokens by their owner: the appid of a merchant, ``""`` for the platform; never by anything else."""

    def known(self, owner: str) -> Secret | None:
        """Return a token that is at hand; no I/O."""
        ...

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        """Return a token; may block.

        :param refused: those that WeChat refused for this very call. One of them is returned when there is no other.
        :raises WxaSpecError: this source has none; nothing is sent.
        :raises WxaError: it could not be fetched.
        """
        ...

    def preload(self, owners: Collection[str]) -> None:
        """Get the tokens of many at hand together; may block, raises nothing: a call meets what went wrong."""
        ...


class Observer(Protocol):
    """Sees every write before and after, and how each step ended, and answers the questions that steps ask.

    It takes what happens at one moment together.
    """

    @property
    def component_appid(self) -> str:
        """The platform; ``""``: the Connection names none."""
        ...

    def before(self, calls: Sequence[Call]) -> Sequence[int]:
        """Note that ``calls`` are about to be sent, all or none, and return what each is noted as.

        :raises WxaError: they cannot be noted; then they are not sent.
        """
        ...

    def after(self, answers: Sequence[tuple[int, Reply | WxaError]]) -> Sequence[None]:
        """Note what became of them: done, refused, or the answer is lost; must not raise."""
        ...

    def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> Sequence[None]:
        """Note the outcome of steps, or the error that stopped them, beside the last write of each; must not raise."""
        ...

    def recall(self, questions: Sequence[Recall]) -> Sequence[AcceptedWrites]:
        """Return the writes of a run that WeChat accepted lately, for each question; must not raise."""
        ...

    def left(self, questions: Sequence[Left]) -> Sequence[int]:
        """Return how often each call may still be sent, and let only who asked last send one that WeChat lets pass.

        :raises WxaError: that cannot be told; then the step stops.
        """
        ...

    def approved(self, questions: Sequence[Approved]) -> Sequence[Mapping[str, Any] | None]:
        """Return for each question whether an approval is needed; then a person has approved exactly this.

        :raises WxaError: nobody has, or that cannot be told; then the step stops.
        """
        ...


def without_waiting(write: F) -> F:
    """Mark a method of an observer that waits for nothing: the asynchronous client calls it without a thread."""
    vars(write)["waits"] = False
    return write


def gathered(seconds: float) -> Callable[[F], F]:
    """Mark a method of an observer for which the asynchronous client gathers questions that come within so long."""

    def marked(method: F) -> F:
        vars(method)["gathered_seconds"] = seconds
        return method

    return marked


@dataclass(frozen=True, slots=True)
class Request:
    """Send this, and return the :class:`Answer`. Fields that may hold a secret have no ``repr``."""

    method: str
    url: str = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request.

    :param failure: why nothing did, in our words: a library's own can hold the URL.
    """

    status: int = 0
    content: bytes = field(default=b"", repr=False)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class TokenOf:
    """Get the token of ``owner``, see :meth:`TokenSource.token`."""

    owner: str
    refused: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Give ``what`` to this method of the observer, alone or together with others."""

    write: Callable[[Sequence[Any]], Sequence[Any]]
    what: Any


Delivery: TypeAlias = Generator[Request | TokenOf | Note | Pause, Any, T]


def carried(step: Step[T], done: Callable[[Effect], Generator[W, Any, Any]]) -> Generator[W, Any, T]:
    """Carry a step to its end: each effect that it yields is done, and its result sent or its error thrown into it."""
    result: Any = None
    error: WxaError | None = None
    while True:
        try:
            wanted = step.throw(error) if error is not None else step.send(result)
        except StopIteration as stop:
            outcome: T = stop.value
            return outcome
        result = error = None
        try:
            result = yield from done(wanted)
        except WxaError as refused:
            error = refused


class Deliverer:
    """Delivers one call or one step.

    :param host: of the API.
    :param observer: sees the writes.
    """

    def __init__(self, host: str, observer: Observer | None) -> None:
        self._host = host
        self._observer = observer
        self._wrote: Call | None = None

    def step(self, step: Step[T]) -> Delivery[T]:
        """Carry a step to its end; errors are thrown into it first."""
        try:
            outcome = yield from carried(step, self._done)
        except WxaError as error:
            if self._observer is not None:
                yield Note(self._observer.ended, (self._wrote, error))
            raise
        if self._observer is not None:
            yield Note(self._observer.ended, (self._wrote, outcome))
        return outcome

    def call(self, call: Call) -> Delivery[Reply]:
        """Send one call; a write is noted before and after."""
        request = Request(call.endpoint.method, "", call.content(), {"Content-Type": call.media_type})
        token = None if call.owner is None else (yield TokenOf(call.owner))
        if token is not None and token.reads_at and call.writes:
            what = Text("token_server_gives_no_platform_token", endpoint=call.endpoint.name)
            raise WxaSpecError(what, [Text("token_server_is_read_only")], **call.named)
        if self._observer is None or not call.writes:
            return (yield from self._renewing(call, request, token))
        noted = yield Note(self._observer.before, call)
        self._wrote = call
        try:
            reply = yield from self._renewing(call, request, token)
        except WxaError as error:
            yield Note(self._observer.after, (noted, error))
            raise
        yield Note(self._observer.after, (noted, reply))
        return reply

    def _done(self, wanted: Effect) -> Delivery[Any]:
        match wanted:
            case Pause():
                return (yield wanted)
            case Platform():
                return self._observer.component_appid if self._observer else ""
            case Recall():
                # Nobody keeps a ledger here: then a step decides from what WeChat shows.
                return (yield Note(self._observer.recall, wanted)) if self._observer else NOTHING_ACCEPTED
            case Left() | Approved():
                if self._observer is None:
                    raise _no_ledger(wanted)
                answers = self._observer.left if isinstance(wanted, Left) else self._observer.approved
                return (yield Note(answers, wanted))
        return (yield from self.call(wanted))

    def _renewing(self, call: Call, request: Request, token: Secret | None) -> Delivery[Reply]:
        """Send a call, also a write, with another token when WeChat refused the one before it did anything."""
        refused: tuple[Secret, ...] = ()
        while True:
            try:
                return (yield from self._repeating(call, request, token))
            except WxaCredentialError as error:
                if call.owner is None or token is None or error.errcode not in _TOKEN_REFUSED:
                    raise
                refused = (*refused, token)
                token = (yield TokenOf(call.owner, refused)) if len(refused) < _MOST_TOKENS else token
                if token in refused:
                    raise

    def _repeating(self, call: Call, request: Request, token: Secret | None) -> Delivery[Reply]:
        for longest in PAUSES:
            try:
                return (yield from self._once(call, request, token))
            except WxaError as error:
                if not _is_repeated(call, error):
                    raise
            yield Pause(random.uniform(0, longest))  # noqa: S311  (so that many do not come back at one moment)
        return (yield from self._once(call, request, token))

    def _once(self, call: Call, request: Request, token: Secret | None) -> Delivery[Reply]:
        reply: Reply | WxaError
        name = call.endpoint.name
        with span_of(call):
            answer = yield replace(request, url=url_of(self._host, call, token))
            if answer.failure:
                # In our words: the text of an exception can hold the URL.
                what = Text("no_answer", endpoint=name, what=answer.failure)
                reply = WxaTransportError(what, values={"host": self._host}, **call.named)
            elif len(answer.content) > MAX_ANSWER_BYTES:
                what = Text("answer_is_too_long", endpoint=name, limit=MAX_ANSWER_BYTES)
                reply = WxaTransportError(what, **call.named)
            else:
                reply = reply_or_error(call, answer.status, answer.content, secrets=[token] if token else [])
            _count(call, reply)
            if isinstance(reply, WxaError):
                raise reply
            return reply


def _no_ledger(asked: Left | Approved) -> WxaStateError:
    what, why = Text("nothing_sent"), Text("ledger_decides", "approved")
    if isinstance(asked, Left):
        what, why = Text("endpoint_not_sent", endpoint=asked.endpoint), Text("ledger_decides", "left")
    return WxaStateError(Text("no_ledger_is_kept", what=what), why=why, appid=asked.appid or None)


def _count(call: Call, reply: Reply | WxaError) -> None:
    if isinstance(reply, WxaApiError):
        count("wxa.errcodes", endpoint=call.endpoint.name, errcode=str(reply.errcode))
        result = "refused"
    else:
        result = "no_answer" if isinstance(reply, WxaError) else "ok"
    count("wxa.calls", endpoint=call.endpoint.name, result=result)


def _is_repeated(call: Call, error: WxaError) -> bool:
    """Tell whether the same call is sent again: it is safe to, and its answer was lost or "busy" (-1).

    ``commit``, ``submit_audit`` and ``release`` are never repeated blindly: their step reads the state and decides.
    61039 and the like are for sensors to wait on.
    """
    lost = isinstance(error, WxaTransportError)
    busy = isinstance(error, WxaApiError) and error.errcode == SYSTEM_ERROR
    return (call.endpoint.safe_to_repeat or call.only_reads) and (lost or busy)

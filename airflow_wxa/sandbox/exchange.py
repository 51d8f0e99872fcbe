"""One call from request to answer: the gate, the journal and the faults that a test puts in around the endpoint."""

import zlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

import httpx
from pydantic import TypeAdapter

from airflow_wxa.sandbox.errors import Errcode, RefusalError, error_body
from airflow_wxa.sandbox.gate import Answer, Endpoint, Request
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.journal import Entry, Journal, parsed_body, shown_body, spellings
from airflow_wxa.sandbox.loose import Looseness, encoded, respelt
from airflow_wxa.sandbox.pushes import LONGEST_ANSWER, Delivery, Push, deliver, deliver_beside
from airflow_wxa.sandbox.values import Json, read
from airflow_wxa.sandbox.world import AnyAccount, World

MOST_REFUSALS = 1000
_LOOSENESS = TypeAdapter(Looseness)

FaultKind = Literal[
    "errcode_before",  # the errcode is answered, no work is done
    "errcode_after",  # the work is done, the errcode is answered all the same
    "drop_before",  # the connection breaks, no work is done
    "drop_after",  # the work is done, then the connection breaks
    "html_502",  # a gateway's HTML page under HTTP 502, no work is done
    "truncated",  # the work is done, the JSON stops in the middle
    "empty",  # the work is done, HTTP 200 has no body
    "slow",  # the work is done, the answer comes after `seconds`
]
BEFORE_THE_WORK: tuple[FaultKind, ...] = ("errcode_before", "drop_before", "html_502")
REST = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault to come.

    ``Fault(path="/wxa/*", kind="errcode_before", errcode=40001, times=None)`` is a WeChat that takes no merchant token
    any more, however often it is refreshed.

    :raises ValueError: a kind that is none, or a number that makes no sense.
    """

    path: str  #: ``/wxa/commit``; ``/wxa/*`` for all that begin so, ``*`` for any call
    kind: FaultKind
    appid: str | None = None  #: only for this account's token, or for a platform's call about it; None for anyone's
    times: int | None = 1  #: how many matching calls it meets; None for all to come
    errcode: int | None = None  #: answer of the two errcode kinds; None is -1
    seconds: float = 0.0  #: how long ``slow`` keeps the answer back

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(get_args(FaultKind))}")
        if (self.times is not None and self.times < 1) or self.seconds < 0:
            raise ValueError(f"times {self.times} must be at least 1, seconds {self.seconds} at least 0")

    @property
    def answered_errcode(self) -> int:
        """The errcode that the two errcode kinds answer."""
        return Errcode.SYSTEM_ERROR if self.errcode is None else self.errcode

    def meets(self, path: str, appids: Collection[str | None]) -> bool:
        """Tell whether a call is one of those it waits for."""
        fits = path.startswith(self.path.removesuffix(REST)) if self.path.endswith(REST) else path == self.path
        return fits and (self.appid is None or self.appid in appids)


@dataclass(kw_only=True, slots=True)
class Sandbox:
    """A world, its journal, and its planned faults."""

    world: World  #: the state, to look at and to change
    seed: Json = field(repr=False)  #: the state that a reset goes back to, tokens included
    #: every call so far; ``journal.count(path)`` tells how often one was made
    journal: Journal = field(default_factory=Journal)
    faults: list[Fault] = field(default_factory=list)  #: to come; the first that fits a call is taken
    deliveries: list[Delivery] = field(default_factory=list)  #: fate of each push, oldest first

    @classmethod
    def of(cls, world: World) -> Self:
        """Return a sandbox that resets to the state the world has now."""
        return cls(world=world, seed=world.to_json(tokens=True))

    def add_fault(self, fault: Fault) -> None:
        """Let a coming call go wrong, or as many as the fault says."""
        self.faults.append(fault)

    def reset(self) -> None:
        """Go back to the seed, forget the journal, the pushes and the faults."""
        self.world.become(World.from_json(self.seed))
        self.journal.clear()
        self.faults.clear()
        self.deliveries.clear()

    def replace_world(self, data: Json) -> None:
        """Take over another state, which becomes the seed; an account that comes without a secret keeps its own.

        :raises ValueError: the data are no world.
        """
        successor = World.from_json(data)
        before = {account.appid: account for account in self.world.accounts()}
        for account in successor.accounts():
            same = before.get(account.appid)
            if type(same) is type(account):
                account.keep_secrets_of(same)
        successor.expired_tokens = successor.expired_tokens or set(self.world.expired_tokens)
        self.world.become(successor)
        self.seed = self.world.to_json(tokens=True)

    def loosen(self, data: Json | None = None, *, appid: str = "") -> Json:
        """Set how answers stray from WeChat's pages, and return how they do now.

        :param data: settings of :class:`Looseness`; None changes nothing.
        :param appid: of one Mini Program; empty for the world.
        :raises KeyError: there is no such Mini Program.
        :raises ValueError: a setting that is none.
        """
        place = self.world.mini_program(appid) if appid else self.world
        if data is not None:
            place.loose = read(_LOOSENESS, data)
        shown: Json = _LOOSENESS.dump_python(place.loose or self.world.loose, mode="json")
        return shown

    def answer(self, request: Request) -> tuple[Answer | None, Fault | None]:
        """Answer a call and write it down.

        :return: the answer, None when a fault left no work done, and the fault that the transport has to act out.
        """
        self.journal.seq += 1
        world, seq = self.world, self.journal.seq
        rid = f"{world.now() & 0xFFFFFFFF:08x}-{seq & 0xFFFFFFFF:08x}-{zlib.crc32(request.path.encode()):08x}"
        endpoint, body, owner = ENDPOINTS.get(request.path), parsed_body(request.raw), self._owner(request)
        appid = owner.appid if owner else self._named_platform(request, body)
        fault = self._take_fault(request.path, (appid, _named(body, "authorizer_appid")))
        answer = None if fault and fault.kind in BEFORE_THE_WORK else self._worked(endpoint, request, owner, rid)
        if fault and fault.kind in ("errcode_before", "errcode_after"):
            answer = error_body(fault.answered_errcode, rid)
        own, known = spellings(request.tokens) if request.raw or not endpoint else [], world.known
        entry = Entry(
            seq=seq,
            method=request.method,
            path=request.path if endpoint else known.without(request.path, own),
            appid=appid,
            body=shown_body(body, request.raw, known, own),
            errcode=answer.get("errcode", 0) if isinstance(answer, dict) else None if answer is None else 0,
            time=world.time(),
            fault=fault.kind if fault else None,
            unknown_fields=[known.without(name, own) for name in endpoint.unknown_fields(body)] if endpoint else [],
        )
        self.journal.add(entry, keep=world.journal_keeps)
        if isinstance(answer, dict) and (how := world.looseness(owner).answers):
            answer = respelt(answer, how)
        return answer, fault

    def encode(self, request: Request, answer: Answer | None) -> bytes:
        """Return an answer as it goes over the wire."""
        how = self.world.looseness(self._owner(request)).answers
        return answer if isinstance(answer, bytes) else encoded(answer, how)

    def _take_fault(self, path: str, appids: Collection[str | None]) -> Fault | None:
        """Return the fault for a call by or about these accounts and count it; None when it is answered honestly."""
        for index, fault in enumerate(self.faults):
            if fault.meets(path, appids):
                if fault.times is not None:
                    left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self.faults[index : index + 1] = left
                return fault
        return None

    def _owner(self, request: Request) -> AnyAccount | None:
        endpoint = ENDPOINTS.get(request.path)
        return self.world.owner(endpoint.token(request) if endpoint else request.query.get("access_token", ""))

    def _named_platform(self, request: Request, body: Any) -> str | None:
        """Return the platform that a call without a token names."""
        named = _named(body, "component_appid")
        known = any(each.component_appid == named for each in self.world.platforms)
        return named if known and not request.tokens else None

    def _worked(self, endpoint: Endpoint | None, request: Request, owner: AnyAccount | None, rid: str) -> Answer:
        if endpoint is None:
            # WeChat's word for a path that it has no API behind; it comes before any question about the token.
            return error_body(Errcode.INVALID_URL, rid)
        try:
            return endpoint.answer(self.world, request, owner)
        except RefusalError as refusal:
            self._note_refusal(request, rid)
            return {**error_body(refusal.errcode, rid), **refusal.told}

    def _note_refusal(self, request: Request, rid: str) -> None:
        """Keep what a look-up by ``rid`` answers, for the newest refusals."""
        refused = self.world.refused
        refused[rid] = {"invoke_time": self.world.now(), "request_url": request.path, "client_ip": "127.0.0.1"}
        if len(refused) > MOST_REFUSALS:
            del refused[next(iter(refused))]

    def send(self, push: Push) -> httpx.Response:
        """Send a push, even once more, and return the receiver's answer, or raise an ``httpx.HTTPError``."""
        try:
            answered = deliver(push)
        except httpx.HTTPError as error:
            self._note(push, error)
            raise
        self._note(push, answered)
        return answered

    async def send_beside(self, push: Push) -> Delivery:
        """Send a push from within the sandbox's own server, which goes on answering meanwhile."""
        try:
            return self._note(push, await deliver_beside(push))
        except httpx.HTTPError as error:
            return self._note(push, error)

    def _note(self, push: Push, answered: httpx.Response | httpx.HTTPError) -> Delivery:
        """Write down what became of a push; a receiver's answer may echo known secrets."""
        if isinstance(answered, httpx.HTTPError):
            # The text of an error may hold the address with its query.
            status, answer = None, type(answered).__name__
        else:
            status, answer = answered.status_code, self.world.known.hide(answered.text)[:LONGEST_ANSWER]
        self.deliveries.append(Delivery(event=push.event, appid=push.appid, status=status, answer=answer))
        return self.deliveries[-1]


def _named(body: Any, name: str) -> str | None:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None

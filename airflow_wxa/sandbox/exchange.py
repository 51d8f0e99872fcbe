"""One call from request to answer: the gate, the faults and the journal around the endpoint."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_wxa.sandbox.errors import INVALID_URL, RefusalError, error_body
from airflow_wxa.sandbox.faults import BEFORE_THE_WORK, Fault, FaultQueue
from airflow_wxa.sandbox.journal import Entry, Journal, redacted, shown_body
from airflow_wxa.sandbox.routes import ENDPOINTS
from airflow_wxa.sandbox.world import World, appid_of, token_of

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer
    from airflow_wxa.sandbox.world import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What WeChat sees of a call; ``token`` is empty when the query has none."""

    method: str
    path: str
    token: str = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(kw_only=True, slots=True)
class Sandbox:
    """A world, what happened in it, and what will go wrong next.

    :param seed: the state that a reset goes back to, tokens included.
    """

    world: World
    seed: Json = field(repr=False)
    journal: Journal = field(default_factory=Journal)
    faults: FaultQueue = field(default_factory=FaultQueue)

    @classmethod
    def of(cls, world: World) -> Sandbox:
        """Return a sandbox that resets to the state the world has now."""
        return cls(world=world, seed=world.to_json(tokens=True))

    def reset(self) -> None:
        """Go back to the seed, forget the journal and the faults."""
        self.world.become(World.from_json(self.seed))
        self.journal.entries.clear()
        self.faults.waiting.clear()

    def replace_world(self, data: Json) -> None:
        """Take over another state, which becomes the seed; an account that comes without a token keeps its own.

        :raises ValueError: the data are no world.
        """
        successor = World.from_json(data)
        _keep_tokens(self.world, successor)
        self.world.become(successor)
        self.seed = self.world.to_json(tokens=True)

    def answer(self, request: Request) -> tuple[Answer | None, Fault | None]:
        """Answer a call and write it down.

        :return: the answer, None when a fault left no work done, and the fault that the transport has to act out.
        """
        seq = self.journal.next_seq()
        rid = self._rid(seq, request.path)
        owner = self.world.owner(request.token)
        appid = None if owner is None else appid_of(owner)
        fault = self.faults.take(request.path, appid)
        answer = None if fault and fault.kind in BEFORE_THE_WORK else self._worked(request, rid)
        if fault and fault.kind in ("errcode_before", "errcode_after"):
            answer = error_body(fault.answered_errcode, rid)
        self.journal.entries.append(self._entry(seq, request, appid, answer, fault))
        return answer, fault

    def _worked(self, request: Request, rid: str) -> Answer:
        endpoint = ENDPOINTS.get(request.path)
        if endpoint is None:
            # WeChat's word for a path that it has no API behind; it comes before any question about the token.
            return error_body(INVALID_URL, rid)
        try:
            return endpoint.answer(self.world, request.method, request.token, request.raw)
        except RefusalError as refusal:
            return error_body(refusal.errcode, rid)

    def _rid(self, seq: int, path: str) -> str:
        return f"{self.world.now() & 0xFFFFFFFF:08x}-{seq & 0xFFFFFFFF:08x}-{zlib.crc32(path.encode()):08x}"

    def _entry(
        self, seq: int, request: Request, appid: str | None, answer: Answer | None, fault: Fault | None
    ) -> Entry:
        tokens = self.world.tokens() | {request.token}
        errcode = None if answer is None else 0
        if isinstance(answer, dict):
            errcode = answer.get("errcode", 0)
        return Entry(
            seq=seq,
            method=request.method,
            path=request.path if request.path in ENDPOINTS else redacted(request.path, tokens),
            appid=appid,
            body=shown_body(request.raw, tokens),
            errcode=errcode,
            time=self.world.clock(),
            fault=None if fault is None else fault.kind,
        )


def _keep_tokens(before: World, after: World) -> None:
    tokens = {appid_of(account): token_of(account) for account in before.accounts()}
    for platform in after.platforms:
        kept = tokens.get(platform.component_appid, "")
        platform.component_access_token = platform.component_access_token or kept
    for mini_program in after.mini_programs:
        kept = tokens.get(mini_program.appid, "")
        mini_program.authorizer_access_token = mini_program.authorizer_access_token or kept
    after.expired_tokens = after.expired_tokens or set(before.expired_tokens)

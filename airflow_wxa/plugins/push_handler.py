"""Handling of a push: its proof, its effects, and the answer."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.push import (
    AuditResult,
    Authorised,
    Ignored,
    PushRefusedError,
    Refusal,
    Ticket,
    Unauthorised,
    decrypt,
    read_authorisation_event,
    read_message_event,
)
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.steps.authorisation import exchange_code
from airflow_wxa.store import NewPush

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_wxa.api.push import Envelope
    from airflow_wxa.plugins.connections import PushConnection, PushConnections
    from airflow_wxa.store import Store

log = logging.getLogger(__name__)

_LOG_SECONDS: Final = 60.0
_SECRETS: Final = ("<ComponentVerifyTicket", "<AuthorizationCode", "<PreAuthCode", "<auth_code")


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to the sender.

    :param afterwards: work for the time after the answer.
    :param owner: of a push that is none of ours, and may be handed on: its appid.
    """

    status: int
    text: str = ""
    afterwards: Callable[[], None] | None = None
    owner: str = ""


DONE: Final = Answer(200, "success")
#: One and the same for whatever is not believed, so that nobody can find out which Connections there are.
REFUSED: Final = Answer(403)
#: The push is good, and can be sent again.
UNAVAILABLE: Final = Answer(503)


class PushHandler:
    """Takes pushes; every method blocks.

    :param open_store: called when a push has turned out to be good.
    """

    def __init__(
        self, connections: PushConnections, open_store: Callable[[], Store], clock: Callable[[], float] = time.time
    ) -> None:
        self.refusals = RefusalCounter()
        self._connections = connections
        self._open_store = open_store
        self._clock = clock

    def handle(self, wxa_conn_id: str, appid: str | None, envelope: Envelope) -> Answer:
        """Take a push, or refuse it.

        :param appid: the Mini Program that the message URL names; ``None``: it came to the authorisation event URL.
        """
        try:
            found = self._connections.find(wxa_conn_id)
        except WxaTransportError as error:
            return self.unavailable(wxa_conn_id, "connection look-up", error)
        if found is None:
            self.refusals.count("", "connection")
            return REFUSED
        try:
            now = self._clock()
            text = decrypt(found.keys, envelope, now=now)
            return self._taken_message(found, appid, text, now) if appid else self._taken_event(found, text, now)
        except PushRefusedError as refused:
            self.refusals.count(wxa_conn_id, refused.reason)
            return REFUSED
        except (WxaTransportError, WxaSpecError) as error:
            return self.unavailable(wxa_conn_id, "store", error)

    def unavailable(self, wxa_conn_id: str, reason: str, error: WxaError) -> Answer:
        """Count a push that is good and was not taken, and return what the sender is told."""
        if self.refusals.count(wxa_conn_id, reason):
            log.warning("pushes are not taken, they may be sent again: %s", error)
        return UNAVAILABLE

    def _taken_event(self, found: PushConnection, text: str, now: float) -> Answer:
        platform = found.keys.component_appid
        event = read_authorisation_event(text, platform, now=now)
        if isinstance(event, Ignored):
            return _none_of_ours(platform, text)
        if isinstance(event, Ticket):
            self._open_store().log_push(NewPush(platform, event.kind, "", event.create_time, ticket=event.ticket))
            return DONE
        withdrawn = isinstance(event, Unauthorised)
        is_new = self._open_store().log_push(
            NewPush(platform, event.kind, event.appid, event.create_time, withdrawn=withdrawn)
        )
        if isinstance(event, Authorised) and is_new:
            return Answer(200, DONE.text, afterwards=partial(self._exchange, found, event))
        return DONE

    def _taken_message(self, found: PushConnection, appid: str, text: str, now: float) -> Answer:
        event = read_message_event(text, now=now)
        if isinstance(event, AuditResult):
            store, platform = self._open_store(), found.keys.component_appid
            seen = store.merchant(platform, appid)
            # The signature covers the content and not the URL: so the content's own name of the Mini Program counts.
            if seen is not None and seen.user_name not in {"", event.user_name}:
                raise PushRefusedError(Refusal.APPID)
            told = {"appid": appid, "reason": event.reason, "screenshot": "|".join(event.screenshot)}
            is_new = store.log_push(NewPush(platform, event.event, event.user_name, event.create_time, told))
            if is_new and seen is not None and not seen.user_name:
                store.note(platform, appid, user_name=event.user_name)
            return DONE
        return _none_of_ours(appid, text)

    def _exchange(self, found: PushConnection, event: Authorised) -> None:
        """Exchange the authorisation code; WeChat waits five seconds for an answer, so this comes after it."""
        # A token server refreshes this platform's tokens: the code is good once, and it is the server's.
        platform = None if found.connection.token_url else found.connection.platform
        if platform is None:
            log.info("%s authorised the platform; its code is left to whoever holds the tokens", event.appid)
            return
        try:
            authorisation = platform.client.run(exchange_code(platform.component_appid, event.authorization_code))
            platform.store.put_authorisation(platform.component_appid, authorisation)
        except WxaError as error:
            log.warning(
                "the authorisation of %s was not exchanged: %s; if WeChat lists no refresh token for it either, "
                "the merchant must authorise again (airflow wxa authorise)",
                event.appid,
                error.what,
            )
        else:
            log.info("%s authorised the platform, permission sets %s", event.appid, list(authorisation.granted or ()))


def _none_of_ours(owner: str, text: str) -> Answer:
    """Return the answer that lets a push be handed on, unless it holds a secret: any push can come to any address."""
    return DONE if any(name in text for name in _SECRETS) else replace(DONE, owner=owner)


class RefusalCounter:
    """Counts refused pushes by Connection and reason, and logs each such pair at most once a minute.

    Anybody may send to the receiver, so the cost of a refusal is bounded; of the request not a word is kept.

    :param clock: seconds, for the pace.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._logged: dict[tuple[str, str], float] = {}

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Connection and reason → how many in this process; the Connection is ``""`` where none was meant."""
        with self._lock:
            return dict(self._counts)

    def count(self, wxa_conn_id: str, reason: str) -> bool:
        """Count one, and tell whether it was logged.

        :param wxa_conn_id: a Connection that is listed, else ``""``: ids that somebody made up are not collected.
        """
        key, now = (wxa_conn_id, reason), self._clock()
        with self._lock:
            self._counts[key] += 1
            total = self._counts[key]
            is_logged = now - self._logged.get(key, float("-inf")) >= _LOG_SECONDS
            self._logged |= {key: now} if is_logged else {}
        if is_logged:
            log.warning("push refused: %s (Connection %s, %d so far)", reason, wxa_conn_id or "unknown", total)
        return is_logged

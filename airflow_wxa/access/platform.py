"""Credentials of a platform: ticket → its token → its merchants' tokens, each refreshed by one process for all.

An owner (a merchant, or the platform itself) is in one of these states, by its row in the store::

    state     its access token lives       its renewal            what a call does
    ────────  ───────────────────────────  ─────────────────────  ───────────────────────────────────────────────────
    good      for 10 minutes or more (1)   whatever               takes it; no look at the store until then
    ageing    for 5 seconds or more        whatever               one process refreshes it, the others take it
    spent     not, or WeChat refused it    known                  one process refreshes it, the others wait
    unknown   not                          none                   as spent, with what api_get_authorizer_list tells;
                                                                  the platform: 61006, a ticket must come
    lost      not                          refused or withdrawn   61023 or 61003 without a request; as unknown again
                                           10 minutes ago or less after that, in case that the merchant's new
                                                                  authorisation was never told to us

    (1) or a tenth of its life, if that is shorter

The renewal is the newest ticket of a platform, the refresh token of a merchant. A refresher holds a lease on the row. A
grant is stored before it is used, so that a killed process loses nothing that ``api_get_authorizer_list`` cannot tell.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import ACCOUNT_NOT_AUTHORIZED, COMPONENT_TICKET_INVALID, REFRESH_TOKEN_INVALID, error_for
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.client import WxaClient
from airflow_wxa.client.telemetry import count
from airflow_wxa.errors import WxaApiError, WxaError, WxaTransportError
from airflow_wxa.steps.authorisation import fetch_merchant_token, fetch_platform_token, list_refresh_tokens
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from airflow_wxa.api.authorisation import Grant
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.client import Egress
    from airflow_wxa.steps import Step
    from airflow_wxa.store import Credential, Store
    from airflow_wxa.store.store import State

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3  # of the client, for one token request
_LEASES_WAITED: Final = 3
_RENEW_EARLY: Final = 600.0  # seconds before the end; a tenth of the life where that is shorter
_STILL_GOOD: Final = 5.0  # seconds that a token must have left to be sent
_LOST: Final = 600.0  # seconds that a refusal is remembered
_REFRESHED_TOGETHER: Final = 100  # what a killed process loses at most, until the platform's list tells it again
_REFRESHED_AT_ONCE: Final = 16
_LIST_KEPT: Final = 60.0  # seconds that a list serves others


class PlatformCredentials:
    """A :class:`~airflow_wxa.client.TokenSource` on the credentials of one platform.

    :param component_appid: the platform.
    :param component_appsecret: its secret.
    :param store: keeps tickets, refresh tokens and tokens.
    :param egress: how the token requests leave.
    :param lease_seconds: how long others wait for a refresher that says nothing any more, because it was killed;
        by default a little longer than all attempts of one request wait for their answers.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        component_appid: str,
        component_appsecret: Secret,
        store: Store,
        egress: Egress,
        *,
        lease_seconds: float | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.component_appid = component_appid
        self.store = store
        self._secret = component_appsecret
        self._egress = egress
        self._lease_seconds = lease_seconds or _ATTEMPTS * egress.timeout + 5
        self._sleep = sleep
        self._known: dict[str, tuple[Secret, float]] = {}  # owner → token, monotonic time until when it is sent
        self._fetched: dict[str, Secret] = {}  # owner → the latest that this process fetched
        self._threads = threading.local()
        self._listing = threading.Lock()
        self._list: tuple[float, Mapping[str, Secret]] = (0.0, {})  # the database's time, refresh tokens by appid

    @property
    def client(self) -> WxaClient:
        """A client on these credentials; one a thread, and never the one of the process that this was forked from.

        Parent and child would read each other's answers on one connection, and an answer is somebody's token.
        """
        process, client = getattr(self._threads, "client", (0, None))
        if client is None or process != os.getpid():
            client = WxaClient(self._egress, self, sleep=self._sleep)
            self._threads.client = (os.getpid(), client)
        found: WxaClient = client
        return found

    def known(self, owner: str) -> Secret | None:
        """Return the token of a good owner that this process has looked up before."""
        token, until = self._known.get(owner, (None, 0.0))
        return token if time.monotonic() < until else None

    def preload(self, owners: Collection[str]) -> None:
        """Look the stored tokens of many up in one query, and refresh together those that are spent."""
        try:
            rows = self.store.merchants(self.component_appid, owners).values()
            spent = [row for row in rows if self._good(row) is None and _can_be_refreshed(row)]
            for first in range(0, len(spent), _REFRESHED_TOGETHER):
                self._refresh(spent[first : first + _REFRESHED_TOGETHER])
        except WxaError as error:
            log.info("tokens are looked up one by one: %s", error.what)

    def _refresh(self, spent: Sequence[Credential]) -> None:
        """Refresh many, and store their grants together; one that failed is left to its own call."""
        self.token(THE_PLATFORM)
        attempt = uuid.uuid4().hex
        held = self.store.take_leases(spent, attempt, self._lease_seconds)
        with ThreadPoolExecutor(_REFRESHED_AT_ONCE, "wxa-refresh") as threads:
            grants = [each for each in threads.map(self._granted, held) if each is not None]
        for row, grant in self.store.store_grants(grants):
            self._fetched[row.appid] = grant.access_token
            self._keep(row.appid, grant.access_token, grant.expires_in, grant.expires_in)
        granted = {row.appid for row, _ in grants}
        for row in held:
            if row.appid not in granted:
                self.store.drop_lease(row, attempt)

    def _granted(self, row: Credential) -> tuple[Credential, Grant] | None:
        assert row.renewal is not None  # noqa: S101  (only such rows are refreshed together)
        try:
            grant = self._grant(fetch_merchant_token(self.component_appid, row.appid, row.renewal))
        except WxaError:
            _count(row, "failed")
            return None
        _count(row, "ok")
        return row, grant

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        """Return a token by the table above; one that was refused counts as none.

        :raises WxaCredentialError: no ticket, secret or refresh token that WeChat takes; the text says what to do.
        :raises WxaPermissionError: the merchant has withdrawn its authorisation.
        :raises WxaTransportError: WeChat or the store does not answer.
        """
        known = self.known(owner)
        if known is not None and known not in refused:
            return known
        attempt, pause = uuid.uuid4().hex, 0.02
        give_up = time.monotonic() + _LEASES_WAITED * self._lease_seconds
        while time.monotonic() < give_up:
            row = self._row(owner)
            if row.access_token in refused:
                if len(refused) > 1 and self._fetched.get(owner) == row.access_token:
                    return refused[-1]  # just fetched for this call: another one would be refused as well
                self.store.drop_access_token(row)
                continue
            if (good := self._good(row)) is not None:
                return good
            usable = row.access_token if row.seconds_left > _STILL_GOOD else None
            if usable is None and row.lost_for is not None and row.lost_for < _LOST:
                raise _must_authorise(row)
            if not row.is_leased and self.store.take_lease(row, attempt, self._lease_seconds):
                if (token := self._refreshed_or(usable, row, attempt)) is not None:
                    return token
            elif usable is not None:
                return usable
            else:
                self._sleep(pause)
                pause = min(pause * 1.5, 0.25)
        raise WxaTransportError(
            Text("token_refresh_takes_too_long", lease_seconds=f"{self._lease_seconds:.0f}"),
            values={"component_appid": self.component_appid, "appid": owner or "the platform itself"},
            appid=owner or None,
        )

    def _refreshed_or(self, usable: Secret | None, row: Credential, attempt: str) -> Secret | None:
        try:
            token = self._refreshed(row, attempt)
        except WxaError as error:
            _count(row, "failed")
            if usable is None:
                self.store.drop_lease(row, attempt)
                raise
            # Our lease is left to run out: until then nobody asks again, call after call, for what is not urgent.
            log.warning("token of %s not renewed early, the old one is still good: %s", row.appid, error.what)
            return usable
        if token is None:
            self.store.drop_lease(row, attempt)
        else:
            _count(row, "ok")
        return token

    def _refreshed(self, row: Credential, attempt: str) -> Secret | None:
        """Ask WeChat for a token, store it, and return it; ``None``: somebody stored something newer, look again."""
        if row.appid == THE_PLATFORM:
            if row.renewal is None:
                raise error_for(
                    COMPONENT_TICKET_INVALID,
                    endpoint=CATALOGUE["api_component_token"],
                    what=Text("no_ticket_has_arrived"),
                    values={"component_appid": self.component_appid},
                )
            return self._stored(row, fetch_platform_token(self.component_appid, self._secret, row.renewal))
        self.token(THE_PLATFORM)
        withdrawn = None
        for renewal in self._renewals(row):
            held = self._with(renewal, row, attempt)
            if held is None:
                return None
            row = held
            try:
                return self._stored(row, fetch_merchant_token(self.component_appid, row.appid, renewal))
            except WxaApiError as error:
                if error.errcode == ACCOUNT_NOT_AUTHORIZED:
                    withdrawn = error
                    break
                if error.errcode != REFRESH_TOKEN_INVALID:
                    raise
        state: State = "withdrawn" if withdrawn or row.state == "withdrawn" else "refused"
        # A merchant that authorised again meanwhile must not lose what it was just given.
        if not self.store.mark(self.component_appid, row.appid, state, generation=row.generation):
            return None
        raise withdrawn or _must_authorise(row)

    def _with(self, renewal: Secret, row: Credential, attempt: str) -> Credential | None:
        """Return the row with this refresh token, once it is stored, and our lease as long as at its beginning."""
        held = row if renewal == row.renewal else self.store.store_renewal(row, renewal)
        return held if held is not None and self.store.take_lease(held, attempt, self._lease_seconds) else None

    def _renewals(self, row: Credential) -> Iterator[Secret]:
        """Yield the refresh token of a row, and after that, or without one, that of the platform's list."""
        refused = [] if row.renewal is None else [row.renewal]
        yield from refused
        while (current := self._listed(row, refused).get(row.appid)) is not None and current not in refused:
            yield current
            refused.append(current)

    def _listed(self, row: Credential, refused: Collection[Secret]) -> Mapping[str, Secret]:
        """Return the refresh tokens by appid; one look at the list serves all that come within a minute.

        A list counts that was asked for after this row's renewal was stored, and that tells none of the refused ones:
        an older one may tell the token from before a renewal. Both times are the database's: processes share rows.
        """
        with self._listing:
            listed_at, listed = self._list
            is_newer = row.renewal_at is None or listed_at > row.renewal_at
            if listed_at < row.read_at - _LIST_KEPT or not is_newer or listed.get(row.appid) in refused:
                listed = self.client.run(list_refresh_tokens(self.component_appid))
                self._list = (row.read_at, listed)  # read before the list was asked for
                if row.renewal is None:  # unknown so far: then others are too
                    self.store.adopt_renewals(self.component_appid, listed)
            return listed

    def _grant(self, step: Step[Grant]) -> Grant:
        """Return what a step fetches; its life counts from before the request."""
        begin = time.monotonic()
        grant = self.client.run(step)
        return replace(grant, expires_in=max(0.0, grant.expires_in - (time.monotonic() - begin)))

    def _stored(self, row: Credential, step: Step[Grant]) -> Secret | None:
        """Return the token that a step fetches, once it is stored."""
        grant = self._grant(step)
        if not self.store.store_grant(row, grant):
            return None
        self._fetched[row.appid] = grant.access_token
        self._keep(row.appid, grant.access_token, grant.expires_in, grant.expires_in)
        return grant.access_token

    def _good(self, row: Credential) -> Secret | None:
        """Return the token unless it is time to renew it, and keep it at hand until then."""
        if row.access_token is not None and self._keep(row.appid, row.access_token, row.seconds_left, row.lifetime):
            return row.access_token
        return None

    def _keep(self, owner: str, token: Secret, seconds_left: float, lifetime: float) -> bool:
        until_renewal = seconds_left - min(_RENEW_EARLY, lifetime / 10)
        if until_renewal > 0:
            self._known[owner] = (token, time.monotonic() + until_renewal)
        return until_renewal > 0

    def _row(self, owner: str) -> Credential:
        row = self.store.merchant(self.component_appid, owner)
        if row is None:
            self.store.ensure(self.component_appid, owner)
            row = self.store.merchants(self.component_appid, [owner])[owner]
        return row


def _count(row: Credential, result: str) -> None:
    count("wxa.refreshes", token="platform" if row.appid == THE_PLATFORM else "merchant", result=result)


def _must_authorise(row: Credential) -> WxaApiError:
    errcode = ACCOUNT_NOT_AUTHORIZED if row.state == "withdrawn" else REFRESH_TOKEN_INVALID
    if row.lost_for is not None and row.lost_for < _LOST:
        why = Text("list_was_asked_lately", ago=f"{row.lost_for:.0f}", after=f"{_LOST:.0f}")
    else:
        why = Text("no_refresh_token_helps", "missing" if row.renewal is None else "refused")
    return error_for(
        errcode,
        endpoint=CATALOGUE["api_authorizer_token"],
        appid=row.appid,
        what=Text("merchant_must_authorise_again", appid=row.appid),
        values={"component_appid": row.component_appid, "errcode": errcode},
        why=why,
    )


def _can_be_refreshed(row: Credential) -> bool:
    """Tell whether a row is spent, with a refresh token that is not known to be refused, and nobody refreshes it."""
    return (
        row.seconds_left <= _STILL_GOOD and row.renewal is not None and row.state == "authorised" and not row.is_leased
    )

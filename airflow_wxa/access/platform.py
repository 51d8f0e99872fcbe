"""Platform credentials: ticket → platform token → merchant token, each refreshed once for all processes.

A token is looked up in this process, then in the store. When it has run out, or soon will, one process takes a lease
on its row and asks WeChat; the others wait, or use the old token while it is good. What WeChat gave is stored before
it is used, so that a killed process loses nothing that ``api_get_authorizer_list`` cannot tell.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.endpoints import CATALOGUE, TokenKind
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.client import WxaClient
from airflow_wxa.errors import WxaApiError, WxaError, WxaTransportError
from airflow_wxa.steps.authorisation import fetch_merchant_token, fetch_platform_token, list_refresh_tokens
from airflow_wxa.store.tables import THE_PLATFORM

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_wxa.api.authorisation import Grant
    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.client import Egress
    from airflow_wxa.store import Credential, Store
    from airflow_wxa.store.store import State

__all__ = ["PlatformCredentials"]

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3  # of the client, for one token request
_PATIENCE: Final = 3  # leases
_RENEW_EARLY: Final = 600.0  # seconds before the end; a tenth of the life where that is shorter
_STILL_GOOD: Final = 5.0  # seconds that a token must have left to be sent
_NOT_VALID: Final = 61023
_NOT_AUTHORISED: Final = 61003
_NO_TICKET: Final = 61006


class PlatformCredentials:
    """A :class:`~airflow_wxa.client.tokens.TokenSource` on the credentials of one platform.

    :param component_appid: the platform.
    :param component_appsecret: its secret.
    :param store: where tickets, refresh tokens and tokens are kept.
    :param egress: how the token requests leave.
    :param lease_seconds: how long others wait for a refresher that says nothing any more, because it was killed;
        by default a little longer than all attempts of one request wait for their answers.
    """

    def __init__(
        self,
        component_appid: str,
        component_appsecret: Secret,
        store: Store,
        egress: Egress,
        *,
        lease_seconds: float | None = None,
    ) -> None:
        self.component_appid = component_appid
        self.store = store
        self._secret = component_appsecret
        self._egress = egress
        self._lease_seconds = lease_seconds or _ATTEMPTS * egress.timeout + 5
        self._known: dict[str, tuple[Secret, float]] = {}  # appid → token, monotonic time until when it is sent
        self._threads = threading.local()

    @property
    def client(self) -> WxaClient:
        """A client on these credentials; one a thread, and never the one of the process that this was forked from.

        Parent and child would read each other's answers on one connection, and an answer is somebody's token.
        """
        process, client = getattr(self._threads, "client", (0, None))
        if client is None or process != os.getpid():
            client = WxaClient(self._egress, self)
            self._threads.client = (os.getpid(), client)
        found: WxaClient = client
        return found

    def token(self, call: Call) -> Secret:
        """Return a token that is good for some time.

        :raises WxaCredentialError: no ticket, secret or refresh token that WeChat takes; the text says what to do.
        :raises WxaPermissionError: the merchant has withdrawn its authorisation.
        :raises WxaTransportError: WeChat or the store does not answer.
        """
        appid = _whose(call)
        return self._remembered(appid) or self._fresh(appid)

    def renewed(self, call: Call, refused: Secret) -> Secret:
        """Return another token than the one that WeChat refused, which is forgotten if it is still the current one."""
        return self._fresh(_whose(call), refused)

    async def atoken(self, call: Call) -> Secret:
        """Return the same as :meth:`token`; the store and WeChat are asked in a thread."""
        token = self._remembered(_whose(call))
        return token if token is not None else await asyncio.to_thread(self.token, call)

    async def arenewed(self, call: Call, refused: Secret) -> Secret:
        """Return the same as :meth:`renewed`, in a thread."""
        return await asyncio.to_thread(self.renewed, call, refused)

    def preload(self, appids: Collection[str]) -> None:
        """Look the tokens of many Mini Programs up in one query; those that are good are known then."""
        for seen in self.store.merchants(self.component_appid, appids).values():
            self._good(seen)

    # -------------------------------------------------------------------------------------------------------------

    def _remembered(self, appid: str) -> Secret | None:
        known = self._known.get(appid)
        return known[0] if known is not None and time.monotonic() < known[1] else None

    def _fresh(self, appid: str, refused: Secret | None = None) -> Secret:
        """Return the stored token while it is good and not ``refused``; refresh it, or wait for whoever does."""
        owner = uuid.uuid4().hex
        give_up = time.monotonic() + _PATIENCE * self._lease_seconds
        pause = 0.02
        while time.monotonic() < give_up:
            seen = self._seen(appid)
            if refused is not None and seen.access_token == refused:
                self.store.drop_access_token(seen)
                continue
            if (token := self._good(seen)) is not None:
                return token
            usable = seen.access_token if seen.seconds_left > _STILL_GOOD else None
            if not seen.is_leased and self.store.take_lease(seen, owner, self._lease_seconds):
                if (token := self._refreshed(seen, owner, usable)) is not None:
                    return token
            elif usable is not None:
                return usable
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, 0.25)
        raise WxaTransportError(
            "no token: another process has been refreshing it for too long",
            values={"component_appid": self.component_appid, "appid": appid or "the platform itself"},
            why=f"Whoever refreshes holds a lease of {self._lease_seconds:.0f} s in the store; "
            "it was taken again and again.",
            next_step="run again; if it stays, look for a worker whose requests to WeChat time out",
            appid=appid or None,
        )

    def _seen(self, appid: str) -> Credential:
        seen = self.store.merchant(self.component_appid, appid)
        if seen is None:
            self.store.ensure(self.component_appid, appid)
            seen = self.store.merchants(self.component_appid, [appid])[appid]
        return seen

    def _good(self, seen: Credential) -> Secret | None:
        """Return the token unless it is time to renew it, and remember it until then."""
        until_renewal = seen.seconds_left - min(_RENEW_EARLY, seen.lifetime / 10)
        if seen.access_token is None or until_renewal <= 0:
            return None
        self._known[seen.appid] = (seen.access_token, time.monotonic() + until_renewal)
        return seen.access_token

    def _refreshed(self, seen: Credential, owner: str, usable: Secret | None) -> Secret | None:
        """Ask WeChat and store what it gives; ``None`` when somebody stored something newer meanwhile."""
        try:
            begin = time.monotonic()
            current, grant = self._asked(seen, owner)
            stored = self.store.store_grant(current, _counted_from(begin, grant))
        except _OvertakenError:
            stored = False
        except WxaError as error:
            if usable is None:
                self.store.drop_lease(seen, owner)
                raise
            # Our lease is left to run out: until then nobody asks again, call after call, for what is not urgent.
            log.warning("token of %s not renewed early, the old one is still good: %s", seen.appid, error.what)
            return usable
        if not stored:
            self.store.drop_lease(seen, owner)
            return None
        return self._good(self._seen(seen.appid)) or grant.access_token

    def _asked(self, seen: Credential, owner: str) -> tuple[Credential, Grant]:
        """Return what WeChat gives, and the row that it was asked for with.

        :raises _OvertakenError: somebody stored something newer.
        """
        if seen.appid == THE_PLATFORM:
            if seen.renewal is None:
                raise _no_ticket(self.component_appid)
            return seen, self.client.run(fetch_platform_token(self.component_appid, self._secret, seen.renewal))
        if self._remembered(THE_PLATFORM) is None:
            self._fresh(THE_PLATFORM)
            self._hold(seen, owner)  # that may have taken longer than our lease
        was_healed = seen.renewal is None
        current = self._healed(seen, owner) if was_healed else seen
        try:
            return current, self._merchant_token(current)
        except WxaApiError as error:
            if error.errcode == _NOT_AUTHORISED:
                self._give_up(current, "withdrawn")
            if error.errcode != _NOT_VALID:
                raise
        if was_healed:
            self._give_up(current, "refused")
            raise _must_authorise(current)
        current = self._healed(current, owner)
        return current, self._merchant_token(current)

    def _merchant_token(self, seen: Credential) -> Grant:
        assert seen.renewal is not None  # noqa: S101  (both callers made sure)
        return self.client.run(fetch_merchant_token(self.component_appid, seen.appid, seen.renewal))

    def _healed(self, seen: Credential, owner: str) -> Credential:
        """Return the row with the refresh token that ``api_get_authorizer_list`` tells.

        :raises WxaApiError: it tells none, or the one that was just refused: only the merchant can help.
        """
        self._hold(seen, owner)
        listed = self.client.run(list_refresh_tokens(self.component_appid))
        if seen.renewal is None:  # unknown so far: then others are too, and one look at the list serves them all
            self.store.adopt_renewals(self.component_appid, listed)
        current = listed.get(seen.appid)
        if current is None or current == seen.renewal:
            if seen.state == "authorised":
                self._give_up(seen, "refused")
            raise _must_authorise(seen)
        healed = self.store.store_renewal(seen, current)
        if healed is None:
            raise _OvertakenError
        self._hold(healed, owner)
        return healed

    def _hold(self, seen: Credential, owner: str) -> None:
        if not self.store.take_lease(seen, owner, self._lease_seconds):
            raise _OvertakenError

    def _give_up(self, seen: Credential, state: State) -> None:
        # A merchant that authorised again meanwhile must not lose what it was just given.
        if not self.store.mark(self.component_appid, seen.appid, state, generation=seen.generation):
            raise _OvertakenError


class _OvertakenError(Exception):
    """Somebody stored something newer, or refreshes by now: look at the row again."""


def _whose(call: Call) -> str:
    return THE_PLATFORM if call.endpoint.token is TokenKind.PLATFORM else call.appid or THE_PLATFORM


def _counted_from(begin: float, grant: Grant) -> Grant:
    """Return the grant with its life counted from before the request."""
    return type(grant)(grant.access_token, max(0.0, grant.expires_in - (time.monotonic() - begin)), grant.refresh_token)


def _no_ticket(component_appid: str) -> WxaApiError:
    error = error_for(_NO_TICKET, endpoint=CATALOGUE["api_component_token"])
    error.what = "api_component_token not sent: no component_verify_ticket has arrived yet"
    error.values = {"component_appid": component_appid}
    error.why = "WeChat pushes a ticket about every ten minutes to the authorisation event URL; none is in the store."
    error.next_step = (
        "point that URL at the push receiver (airflow wxa doctor shows it), ask for one with airflow wxa ticket "
        "--restart, or import one with airflow wxa ticket --import"
    )
    return error


def _must_authorise(seen: Credential) -> WxaApiError:
    errcode = _NOT_AUTHORISED if seen.state == "withdrawn" else _NOT_VALID
    error = error_for(errcode, endpoint=CATALOGUE["api_authorizer_token"], appid=seen.appid)
    error.what = "no token: the merchant must authorise the platform again"
    error.values = {"component_appid": seen.component_appid, "errcode": errcode}
    known = "The stored refresh token is refused" if seen.renewal is not None else "No refresh token is stored"
    error.why = f"{known}, and api_get_authorizer_list tells no other that WeChat takes."
    error.next_step = (
        f"airflow wxa authorise --appid {seen.appid} prints a fresh link (good for ten minutes) for the merchant"
    )
    return error

"""Credentials of platforms and merchants, and pushes. Every row is keyed by ``component_appid``.

Single flight needs no lock server: a refresher takes a lease by compare-and-set on the row, and its grant is accepted
only while nobody stored a newer one. The same statements serve SQLite and PostgreSQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Float, and_, bindparam, case, delete, or_, select, update

from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.store.engine import Database, read_as
from airflow_wxa.store.pushes import LoggedPush
from airflow_wxa.store.tables import credential, database_now, push
from airflow_wxa.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Row

    from airflow_wxa.api.authorisation import Authorisation, Grant
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.store.pushes import NewPush

#: ``authorised``; ``withdrawn``: the merchant took it back; ``refused``: WeChat refuses its refresh token.
State = Literal["authorised", "withdrawn", "refused"]
_PUSH_LOG_SECONDS: Final = 30 * 86400
_MANY: Final = 1000  # rows that change how PostgreSQL had better read the table
#: Whatever timeout a Connection sets, nobody waits longer than this for one who was killed while refreshing.
LONGEST_LEASE_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Credential:
    """A row, as it was when it was read.

    :param appid: a Mini Program; ``""`` for the platform itself.
    :param seconds_left: of the access token's life, by the database's clock; 0 without one.
    :param lifetime: its whole life in seconds; 0 without one.
    :param renewal: fetches a new access token: refresh token, or for the platform the newest ticket.
    :param renewal_at: epoch seconds when the renewal was stored, or when WeChat refused it, or the merchant withdrew.
    :param read_at: epoch seconds of this reading; both by the database's clock.
    :param generation: counts what was stored; a write says which one it was made from.
    :param is_leased: whether somebody refreshes right now.
    :param granted: ids of the permission sets; ``None`` when they are not known.
    """

    component_appid: str
    appid: str
    access_token: Secret | None
    seconds_left: float
    lifetime: float
    renewal: Secret | None
    renewal_at: float | None
    read_at: float
    generation: int
    is_leased: bool
    state: State
    granted: tuple[int, ...] | None
    user_name: str

    @property
    def key(self) -> tuple[str, str]:
        """The row's key."""
        return self.component_appid, self.appid

    @property
    def renewal_age(self) -> float | None:
        """Seconds since the renewal was stored; ``None`` without one."""
        return None if self.renewal is None or self.renewal_at is None else self.read_at - self.renewal_at

    @property
    def lost_for(self) -> float | None:
        """Seconds since WeChat refused a merchant's renewal, or it withdrew; ``None``: it did not."""
        return None if self.state == "authorised" or self.renewal_at is None else self.read_at - self.renewal_at


class Store:
    """Credentials and pushes.

    :param url: an SQLAlchemy URL of SQLite or PostgreSQL; the schema is created on first use.
    :param keys: Fernet keys, newest first.
    :raises WxaSpecError: URL or keys cannot be right.
    :raises WxaTransportError: the database does not answer; so does every method.
    """

    def __init__(self, url: str | Secret, keys: Sequence[str | Secret]) -> None:
        self._vault = Vault(keys)
        self._database = Database(url)

    @property
    def file(self) -> Path | None:
        """The SQLite file; ``None`` when the store is a database server."""
        return self._database.file

    # Reading -----------------------------------------------------------------------------------------------------

    def platform(self, component_appid: str) -> Credential | None:
        """Return the platform's own row."""
        return self.merchant(component_appid, THE_PLATFORM)

    def merchant(self, component_appid: str, appid: str) -> Credential | None:
        """Return a merchant's row."""
        return self.merchants(component_appid, [appid]).get(appid)

    def merchants(self, component_appid: str, appids: Collection[str] | None = None) -> Mapping[str, Credential]:
        """Return rows by appid, in one query.

        :param appids: whose; ``None``: all merchants of the platform.
        """
        wanted = credential.c.appid != THE_PLATFORM if appids is None else credential.c.appid.in_(appids)
        query = (
            select(credential, database_now().label("now"))
            .where(credential.c.component_appid == component_appid, wanted)
            .order_by(credential.c.appid)
        )
        return {row.appid: self._read(row) for row in self._database.rows(query)}

    # Refreshing: take the lease, ask WeChat, store ---------------------------------------------------------------

    def take_lease(self, seen: Credential, owner: str, seconds: float) -> bool:
        """Become the one who refreshes, see :meth:`take_leases`."""
        return bool(self.take_leases([seen], owner, seconds))

    def take_leases(self, seen: Sequence[Credential], owner: str, seconds: float) -> list[Credential]:
        """Become the refresher of rows that nobody refreshes, nor has since ``seen`` was read; returns those rows.

        :param owner: unique for each attempt.
        :param seconds: how long others wait for us before they take over; ten minutes at most.
        """
        now, until = database_now(), credential.c.lease_until
        # Later than anybody may ask for: the database's clock was set back meanwhile.
        is_absurd = until > now + LONGEST_LEASE_SECONDS
        free = or_(until.is_(None), until < now, is_absurd, credential.c.lease_owner == owner)
        statement = (
            update(credential)
            .where(_this_row(), credential.c.generation == bindparam("seen"), free)
            .values(lease_owner=owner, lease_until=now + min(seconds, LONGEST_LEASE_SECONDS))
        )
        with self._database.writing() as connection:
            return [row for row in seen if connection.execute(statement, _key(row)).rowcount == 1]

    def drop_lease(self, seen: Credential, owner: str) -> None:
        """Let others refresh; nothing was stored."""
        mine = _row(seen.component_appid, seen.appid), credential.c.lease_owner == owner
        self._database.write(update(credential).where(*mine).values(lease_owner=None, lease_until=None))

    def store_grant(self, seen: Credential, grant: Grant) -> bool:
        """Store what WeChat gave, see :meth:`store_grants`; returns whether it was stored."""
        return bool(self.store_grants([(seen, grant)]))

    def store_grants(self, grants: Sequence[tuple[Credential, Grant]]) -> list[tuple[Credential, Grant]]:
        """Store what WeChat gave, before it is used for the first time.

        :return: those that were stored; not where somebody stored something newer than what was seen.
        """
        expires_in = bindparam("expires_in", type_=Float)
        statement = (
            update(credential)
            .where(_this_row(), credential.c.generation == bindparam("seen"))
            .values(
                access_token=bindparam("token"),
                access_expires_at=database_now() + expires_in,
                access_lifetime=expires_in,
                generation=bindparam("seen") + 1,
                lease_owner=None,
                lease_until=None,
                state="authorised",
            )
        )
        renewed = statement.values(renewal=bindparam("renewal"), renewal_at=database_now())
        stored = []
        with self._database.writing() as connection:
            for row, grant in grants:
                token = self._vault.lock(grant.access_token, *row.key, "access_token")
                values = _key(row) | {"token": token, "expires_in": grant.expires_in}
                if grant.refresh_token is not None:
                    values["renewal"] = self._vault.lock(grant.refresh_token, *row.key, "renewal")
                if connection.execute(renewed if "renewal" in values else statement, values).rowcount == 1:
                    stored.append((row, grant))
        return stored

    def drop_access_token(self, seen: Credential) -> bool:
        """Forget an access token that WeChat refused, unless somebody stored another one since.

        The generation stays: a process that fetches the next one may hold a rotated refresh token, which must be
        stored.
        """
        return self._set(seen, {"access_token": None, "access_expires_at": None})

    def mark(self, component_appid: str, appid: str, state: State, *, generation: int | None = None) -> bool:
        """Note that a merchant withdrew, or that its refresh token is refused; its tokens are dropped.

        :param generation: only while this is the row's; ``None``: in any case.
        :return: whether it was noted.
        """
        with self._database.writing() as connection:
            return _mark(connection, component_appid, appid, state, generation)

    def store_renewal(self, seen: Credential, renewal: Secret) -> Credential | None:
        """Store another refresh token for a merchant whose own is refused, and return the row as it is then.

        :return: ``None`` when somebody stored something newer than ``seen``.
        """
        values = {
            "renewal": self._vault.lock(renewal, *seen.key, "renewal"),
            "renewal_at": database_now(),
            "state": "authorised",
            "generation": seen.generation + 1,
        }
        return self.merchant(seen.component_appid, seen.appid) if self._set(seen, values) else None

    # What arrives from outside -----------------------------------------------------------------------------------

    def put_renewals(self, component_appid: str, renewals: Mapping[str, Secret]) -> None:
        """Store refresh tokens by appid, or the platform's ticket under ``""``: all or none; access tokens are kept."""
        with self._database.writing() as connection:
            self._put_renewals(connection, component_appid, renewals)
        if len(renewals) > _MANY:
            self._database.count_anew(credential)

    def adopt_renewals(self, component_appid: str, renewals: Mapping[str, Secret]) -> int:
        """Store refresh tokens of merchants that are not known yet, and return how many were new."""
        with self._database.writing() as connection:
            return self._put_renewals(connection, component_appid, renewals, only_new=True)

    def put_authorisation(self, component_appid: str, authorisation: Authorisation) -> None:
        """Store the grant of an authorisation code; fields missing in it stay as they were."""
        appid, grant = authorisation.appid, authorisation.grant
        refresh_token = authorisation.refresh_token if grant is None else grant.refresh_token
        values: dict[str, Any] = {"state": "authorised", "generation": credential.c.generation + 1}
        if grant is not None:
            values |= {
                "access_token": self._vault.lock(grant.access_token, component_appid, appid, "access_token"),
                "access_expires_at": database_now() + grant.expires_in,
                "access_lifetime": grant.expires_in,
            }
        if refresh_token is not None:
            renewal = self._vault.lock(refresh_token, component_appid, appid, "renewal")
            values |= {"renewal": renewal, "renewal_at": database_now()}
        if authorisation.granted is not None:
            values["granted"] = list(authorisation.granted)
        with self._database.writing() as connection:
            self._insert_missing(connection, component_appid, appid)
            connection.execute(update(credential).where(_row(component_appid, appid)).values(**values))

    def note(
        self, component_appid: str, appid: str, *, granted: Sequence[int] | None = None, user_name: str = ""
    ) -> None:
        """Note what is known of a merchant besides its tokens."""
        values: dict[str, Any] = {"granted": list(granted)} if granted is not None else {}
        values |= {"user_name": user_name} if user_name else {}
        if values:
            self._database.write(update(credential).where(_row(component_appid, appid)).values(**values))

    def log_push(self, new: NewPush) -> bool:
        """Log a push and do what it says, all or nothing: a push that is logged will be dropped when it is repeated.

        Pushes overtake each other: nothing is done when a later one about the same account is in the log.

        :return: whether it is new; WeChat sends some twice.
        """
        with self._database.writing() as connection:
            if (
                new.ticket is not None or new.withdrawn
            ):  # one at a time for each account: whoever comes second sees the first one's entry
                if new.account == THE_PLATFORM:
                    self._insert_missing(connection, new.component_appid, THE_PLATFORM)
                row = _row(new.component_appid, new.account)
                connection.execute(select(credential.c.appid).where(row).with_for_update())
            key = {column.name: getattr(new, column.name) for column in push.primary_key}
            entry = self._database.insert(push).values(**key, received_at=database_now(), told=dict(new.told))
            if connection.execute(entry.on_conflict_do_nothing()).rowcount != 1:
                return False
            self._act_on(connection, new)
            return True

    def _act_on(self, connection: Connection, new: NewPush) -> None:
        if new.ticket is not None:
            # Tickets come every ten minutes, which is when old pushes are forgotten.
            is_old = push.c.received_at < database_now() - _PUSH_LOG_SECONDS
            connection.execute(delete(push).where(push.c.component_appid == new.component_appid, is_old))
            if _is_latest(connection, new):
                self._put_renewals(connection, new.component_appid, {THE_PLATFORM: new.ticket})
        elif new.withdrawn and _is_latest(connection, new):
            _mark(connection, new.component_appid, new.account, "withdrawn")

    def pushes(
        self, component_appid: str, kinds: Collection[str], *, seconds: float = _PUSH_LOG_SECONDS
    ) -> list[LoggedPush]:
        """Return the pushes of these kinds that came in the last ``seconds``, the latest first."""
        is_recent = push.c.received_at > database_now() - seconds
        query = (
            select(push, (database_now() - push.c.received_at).label("age"))
            .where(push.c.component_appid == component_appid, push.c.kind.in_(kinds), is_recent)
            .order_by(push.c.create_time.desc(), push.c.account)
        )
        return [read_as(LoggedPush, row, told=row.told or {}) for row in self._database.rows(query)]

    def ensure(self, component_appid: str, appid: str = THE_PLATFORM) -> None:
        """Make sure that there is a row to take a lease on."""
        with self._database.writing() as connection:
            self._insert_missing(connection, component_appid, appid)

    def rotate_keys(self) -> int:
        """Encrypt every secret with the first key; returns how many rows there are."""
        columns = ("access_token", "renewal")
        # Locked, or a refresh token that is rotated at this moment would be overwritten by its predecessor.
        query = select(credential).order_by(credential.c.component_appid, credential.c.appid).with_for_update()
        with self._database.writing() as connection:
            rows = connection.execute(query).all()
            relocked = [
                {"of_component_appid": row.component_appid, "of_appid": row.appid}
                | {name: self._relocked(row, name) for name in columns}
                for row in rows
            ]
            if relocked:
                by_name: dict[str, Any] = {column: bindparam(column) for column in columns}
                connection.execute(update(credential).where(_this_row()).values(by_name), relocked)
        return len(rows)

    # -------------------------------------------------------------------------------------------------------------

    def _relocked(self, row: Row[Any], column: str) -> str | None:
        """Return what rests in a column, locked with the first key and bound to its place."""
        place = (row.component_appid, row.appid, column)
        secret = self._vault.unlock(getattr(row, column), *place)
        return None if secret is None else self._vault.lock(secret, *place)

    def _set(self, seen: Credential, values: Mapping[str, Any]) -> bool:
        """Change a row unless it has changed since ``seen`` was read."""
        statement = (
            update(credential)
            .where(_row(seen.component_appid, seen.appid), credential.c.generation == seen.generation)
            .values(**values)
        )
        return self._database.write(statement) == 1

    def _insert_missing(self, connection: Connection, component_appid: str, appid: str) -> None:
        row = {"component_appid": component_appid, "appid": appid, "generation": 0, "state": "authorised"}
        connection.execute(self._database.insert(credential).values(**row).on_conflict_do_nothing())

    def _put_renewals(
        self, connection: Connection, component_appid: str, renewals: Mapping[str, Secret], *, only_new: bool = False
    ) -> int:
        """Store renewals by appid in one statement, and return the number of new rows; ``only_new`` stores no other."""
        if not renewals:
            return 0
        insert = self._database.insert(credential)
        insert = insert.values(generation=0, state="authorised", renewal_at=database_now())
        # Sorted, so that two imports at once lock the rows in one order.
        rows = [
            {
                "component_appid": component_appid,
                "appid": appid,
                "renewal": self._vault.lock(renewals[appid], component_appid, appid, "renewal"),
            }
            for appid in sorted(renewals)
        ]
        if only_new:
            return len(connection.execute(insert.on_conflict_do_nothing().returning(credential.c.appid), rows).all())
        replaced = {name: insert.excluded[name] for name in ("renewal", "renewal_at", "state")}
        # A ticket is no reason to distrust a platform token that is being fetched: it does not count as a generation.
        replaced["generation"] = credential.c.generation + case((credential.c.appid == THE_PLATFORM, 0), else_=1)
        keys = list(credential.primary_key)
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=replaced), rows)
        return 0

    def _read(self, row: Row[Any]) -> Credential:
        place = row.component_appid, row.appid
        token, now = self._vault.unlock(row.access_token, *place, "access_token"), float(row.now)
        return read_as(
            Credential,
            row,
            access_token=token,
            seconds_left=row.access_expires_at - now if token is not None else 0.0,
            lifetime=row.access_lifetime if token is not None else 0.0,
            renewal=self._vault.unlock(row.renewal, *place, "renewal"),
            read_at=now,
            is_leased=row.lease_until is not None and now < row.lease_until <= now + LONGEST_LEASE_SECONDS,
            granted=None if row.granted is None else tuple(row.granted),
        )


def _row(component_appid: str, appid: str) -> ColumnElement[bool]:
    return and_(credential.c.component_appid == component_appid, credential.c.appid == appid)


def _this_row() -> ColumnElement[bool]:
    """Pick the row of :func:`_key`: one statement that is compiled once serves many."""
    return and_(
        credential.c.component_appid == bindparam("of_component_appid"), credential.c.appid == bindparam("of_appid")
    )


def _key(row: Credential) -> dict[str, Any]:
    return {"of_component_appid": row.component_appid, "of_appid": row.appid, "seen": row.generation}


def _mark(
    connection: Connection, component_appid: str, appid: str, state: State, generation: int | None = None
) -> bool:
    gone: dict[str, Any] = dict.fromkeys(("access_token", "access_expires_at", "renewal"))
    gone["renewal_at"] = database_now()
    gone |= dict.fromkeys(("lease_owner", "lease_until"))  # what is being fetched will not be stored
    statement = update(credential).where(_row(component_appid, appid))
    if generation is not None:
        statement = statement.where(credential.c.generation == generation)
    change = statement.values(state=state, generation=credential.c.generation + 1, **gone)
    return connection.execute(change).rowcount == 1


def _is_latest(connection: Connection, new: NewPush) -> bool:
    """Tell whether no later push about this account is logged.

    The account's row is locked by now: a push that is applied at the same moment was either seen, or will see ours.
    """
    later = select(push.c.create_time).where(
        push.c.component_appid == new.component_appid,
        push.c.account == new.account,
        push.c.create_time > new.create_time,
    )
    return connection.execute(later.limit(1)).first() is None

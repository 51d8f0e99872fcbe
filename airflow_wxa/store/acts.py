"""Acts of the board's readers: each is done once, whichever API server a click comes to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select

from airflow_wxa.store.engine import OfStore
from airflow_wxa.store.tables import act, database_now

_KEPT_SECONDS: Final = 7 * 86400.0  # far beyond the life of a page's token


class Acts(OfStore):
    """Notes acts before they are done."""

    def claim(self, key: str, by: str, *, again_after: float = _KEPT_SECONDS) -> str | None:
        """Note an act; return the name of the person who did it before, ``None``: nobody did.

        :param key: digest of the act and of the state that it changes.
        :param again_after: seconds after which a state that is still the same shows that it was not done.
        """
        row = {"key": key, "by": by, "at": database_now()}
        is_over = act.c.at < database_now() - again_after
        statement = self._database.insert(act).values(**row)
        statement = statement.on_conflict_do_update(index_elements=["key"], set_=row, where=is_over)
        with self._database.writing() as connection:
            connection.execute(delete(act).where(act.c.at < database_now() - _KEPT_SECONDS))
            if connection.execute(statement).rowcount:
                return None
            return str(connection.execute(select(act.c.by).where(act.c.key == key)).scalar() or "")

    def give_back(self, key: str) -> None:
        """Forget an act that was refused: it may be tried again."""
        self._database.write(delete(act).where(act.c.key == key))

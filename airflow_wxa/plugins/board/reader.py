"""Readers of the board, and why something is not there for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from fastapi import Request

    from airflow_wxa.plugins.board.languages import Language


class RefusedError(Exception):
    """A page or an act that is not there: for this reader, or by now.

    :param key: of the text that says why.
    """

    def __init__(self, status: int, key: str, **values: object) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.values = values


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, in which language, and from where.

    :param base: the path that the app is mounted at.
    """

    user: BaseUser
    language: Language
    base: str
    request: Request

    def asked(self, name: str) -> str:
        """Return a value of the address, ``""`` when it is not there."""
        text = str(self.request.path_params.get(name) or self.request.query_params.get(name, ""))
        return text.replace("\0", "")  # no database takes one

    def word(self, key: str, **values: object) -> str:
        """Return a text in the reader's language."""
        return self.language.text(key, **values)

    @property
    def names(self) -> tuple[str, str]:
        """Id and name of the user; a run names its user by name, and FAB's ids are numbers."""
        return str(self.user.get_id()), str(self.user.get_name())

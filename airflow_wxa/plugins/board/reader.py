"""Readers of the board: their language and rights, and why something is not there for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from fastapi import Request

    from airflow_wxa.plugins.board.languages import Language


#: The DAG that the form releases with unless it is asked for another one's.
RELEASE: Final = "wxa_release"


class RefusedError(Exception):
    """A page or an act that is not there: for this reader, or by now.

    :param key: of the text that says why.
    """

    def __init__(self, status: int, key: str, **values: object) -> None:
        super().__init__(key)
        self.status, self.key, self.values = status, key, values


@dataclass(frozen=True, slots=True)
class Reader:
    """A user who looks; a manager of one team sees that team's DAGs, row by row.

    :param base: the path that the app is mounted at.
    """

    user: BaseUser
    language: Language
    base: str
    request: Request
    _named: dict[str, DagDetails] = field(default_factory=dict)

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

    def readable(self, dag_ids: Iterable[str], method: ResourceMethod = "GET") -> frozenset[str]:
        """Return the DAGs whose runs the reader may see; by another method: those where it may be used."""
        details = self._details(dag_ids)
        return frozenset(each.id for each in details if each.id and self._may(method, DagAccessEntity.RUN, each))

    def may_see_runs(self, dag_id: str | None) -> bool:
        """Tell whether the reader may see runs: of a DAG, or, for ``None``, of DAGs at all."""
        return self._may("GET", DagAccessEntity.RUN, self._details([dag_id])[0] if dag_id else None)

    def may(self, method: ResourceMethod, entity: DagAccessEntity, dag_id: str) -> bool:
        """Tell whether the reader may do something with a DAG, as Airflow's own routes ask it."""
        return self._may(method, entity, self._details([dag_id])[0])

    @property
    def may_release(self) -> bool:
        """Whether the reader may start releases."""
        return self.may("POST", DagAccessEntity.RUN, RELEASE)

    def _may(self, method: ResourceMethod, entity: DagAccessEntity, details: DagDetails | None) -> bool:
        manager = get_auth_manager()
        return manager.is_authorized_dag(method=method, user=self.user, access_entity=entity, details=details)

    def _details(self, dag_ids: Iterable[str]) -> list[DagDetails]:
        """Name each DAG with its team: an auth manager asked without it answers for a DAG that is everybody's."""
        ids = sorted(dag_ids)
        if unknown := [each for each in ids if each not in self._named]:
            teams = DagModel.get_dag_id_to_team_name_mapping(unknown)
            self._named.update({each: DagDetails(id=each, team_name=teams.get(each)) for each in unknown})
        return [self._named[each] for each in ids]

"""Whose runs a person may see: a manager of one team sees that team's DAGs, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


def readable(user: BaseUser, dag_ids: Iterable[str], method: ResourceMethod = "GET") -> frozenset[str]:
    """Return those DAGs whose runs the person may see; by another method: those where it may be used."""
    return frozenset(each.id for each in _details(dag_ids) if each.id and _may(user, method, DagAccessEntity.RUN, each))


def may_see_runs(user: BaseUser, dag_id: str | None) -> bool:
    """Tell whether the person may see runs: of a DAG, or, for ``None``, of DAGs at all."""
    return _may(user, "GET", DagAccessEntity.RUN, _details([dag_id])[0] if dag_id else None)


def may(user: BaseUser, method: ResourceMethod, entity: DagAccessEntity, dag_id: str) -> bool:
    """Tell whether the person may do something with a DAG, as Airflow's own routes ask it."""
    return _may(user, method, entity, _details([dag_id])[0])


def _may(user: BaseUser, method: ResourceMethod, entity: DagAccessEntity, details: DagDetails | None) -> bool:
    return get_auth_manager().is_authorized_dag(method=method, user=user, access_entity=entity, details=details)


def _details(dag_ids: Iterable[str]) -> list[DagDetails]:
    """Name each DAG with its team: an auth manager asked without it answers for a DAG that is everybody's."""
    ids = sorted(dag_ids)
    teams = DagModel.get_dag_id_to_team_name_mapping(ids)
    return [DagDetails(id=dag_id, team_name=teams.get(dag_id)) for dag_id in ids]

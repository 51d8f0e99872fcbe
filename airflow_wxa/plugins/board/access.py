"""Whose runs a person may see: a manager of one team sees that team's DAGs, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


def readable(user: BaseUser, dag_ids: Iterable[str]) -> frozenset[str]:
    """Return those DAGs whose runs the person may see."""
    return frozenset(each.id for each in _details(dag_ids) if each.id and _may(user, "GET", DagAccessEntity.RUN, each))


def may_see_runs(user: BaseUser, dag_id: str | None) -> bool:
    """Tell whether the person may see runs: of a DAG, or, for ``None``, of DAGs at all."""
    return _may(user, "GET", DagAccessEntity.RUN, _details([dag_id])[0] if dag_id else None)


def may_see_xcoms(user: BaseUser, dag_id: str) -> bool:
    """Tell whether the person may see what a DAG's tasks returned."""
    return _may(user, "GET", DagAccessEntity.XCOM, _details([dag_id])[0])


def may_edit_runs(user: BaseUser, dag_id: str) -> bool:
    """Tell whether the person may start runs of a DAG."""
    return _may(user, "POST", DagAccessEntity.RUN, _details([dag_id])[0])


def _may(user: BaseUser, method: ResourceMethod, entity: DagAccessEntity, details: DagDetails | None) -> bool:
    return get_auth_manager().is_authorized_dag(method=method, user=user, access_entity=entity, details=details)


def _details(dag_ids: Iterable[str]) -> list[DagDetails]:
    """Name each DAG with its team: an auth manager asked without it answers for a DAG that is everybody's."""
    ids = sorted(dag_ids)
    teams = DagModel.get_dag_id_to_team_name_mapping(ids)
    return [DagDetails(id=dag_id, team_name=teams.get(dag_id)) for dag_id in ids]


def returned(dag_id: str, run_id: str, task_id: str) -> Any:
    """Return what a task of a run returned; ``None`` when it returned nothing."""
    with create_session() as session:
        query = XComModel.get_many(run_id=run_id, dag_ids=dag_id, task_ids=task_id, key="return_value", limit=1)
        row = session.scalars(query).first()
        return XComModel.deserialize_value(row) if row is not None else None

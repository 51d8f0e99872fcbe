"""Whose runs a person may see: a manager of one team sees that team's DAGs, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


def readable(user: BaseUser, dag_ids: Iterable[str]) -> frozenset[str]:
    """Return those DAGs whose runs the person may see."""
    return frozenset(dag_id for dag_id in dag_ids if may_see_runs(user, dag_id))


def may_see_runs(user: BaseUser, dag_id: str | None) -> bool:
    """Tell whether the person may see runs: of a DAG, or, for ``None``, of DAGs at all."""
    return get_auth_manager().is_authorized_dag(
        method="GET", user=user, access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id) if dag_id else None
    )


def may_see_xcoms(user: BaseUser, dag_id: str) -> bool:
    """Tell whether the person may see what a DAG's tasks returned."""
    return get_auth_manager().is_authorized_dag(
        method="GET", user=user, access_entity=DagAccessEntity.XCOM, details=DagDetails(id=dag_id)
    )


def may_edit_runs(user: BaseUser, dag_id: str) -> bool:
    """Tell whether the person may start runs of a DAG."""
    return get_auth_manager().is_authorized_dag(
        method="POST", user=user, access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id)
    )


def returned(dag_id: str, run_id: str, task_id: str) -> Any:
    """Return what a task of a run returned; ``None`` when it returned nothing."""
    with create_session() as session:
        query = XComModel.get_many(run_id=run_id, dag_ids=dag_id, task_ids=task_id, key="return_value", limit=1)
        row = session.scalars(query).first()
        return XComModel.deserialize_value(row) if row is not None else None

"""Whose runs a person may see: a manager of one team sees that team's DAGs, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

__all__ = ["may_edit_runs", "may_see_runs", "readable"]


def readable(user: BaseUser, dag_ids: Iterable[str]) -> frozenset[str]:
    """Return those DAGs whose runs the person may see."""
    return frozenset(dag_id for dag_id in dag_ids if may_see_runs(user, dag_id))


def may_see_runs(user: BaseUser, dag_id: str | None) -> bool:
    """Tell whether the person may see runs: of a DAG, or, for ``None``, of DAGs at all."""
    return get_auth_manager().is_authorized_dag(
        method="GET", user=user, access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id) if dag_id else None
    )


def may_edit_runs(user: BaseUser, dag_id: str) -> bool:
    """Tell whether the person may start runs of a DAG."""
    return get_auth_manager().is_authorized_dag(
        method="POST", user=user, access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id)
    )

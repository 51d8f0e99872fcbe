"""Assets that other DAGs are scheduled on: a release of a Mini Program, and each change of its audit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher

from airflow_wxa.hooks.outlets import RELEASES, announce_release, release_asset
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.triggers.audit_change import WxaAuditChangeTrigger

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

__all__ = ["RELEASES", "announce_release", "audit_asset", "lineage_of", "release_asset"]


def audit_asset(appid: str, *, wxa_conn_id: str = WxaHook.default_conn_name, poll_seconds: float = 60.0) -> Asset:
    """Return ``wxa://{appid}/audit``, watched: an event of it says that the status of the latest sheet has changed.

    The event's ``extra["payload"]`` is ``{"appid", "auditid", "user_version", "status", "submit_audit_time"}``;
    ``status`` is ``approved``, ``rejected``, ``auditing``, ``withdrawn`` or ``delayed``.

    :param poll_seconds: of the first pause between two looks; pauses grow to a quarter of an hour, and a push ends one.
    """
    uri = f"wxa://{appid}/audit"
    trigger = WxaAuditChangeTrigger(appid=appid, wxa_conn_id=wxa_conn_id, poll_seconds=poll_seconds)
    return Asset(name=uri, uri=uri, watchers=[AssetWatcher(name=f"audit_of_{appid}", trigger=trigger)])


def lineage_of(appid: str) -> OperatorLineage[Any, Any]:
    """Return what OpenLineage says of a task that published: the dataset ``release`` of namespace ``wxa://{appid}``.

    Only the OpenLineage provider asks for it, so it is imported here.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415
    from openlineage.client.event_v2 import Dataset  # noqa: PLC0415

    return OperatorLineage(outputs=[Dataset(namespace=f"wxa://{appid}", name="release")])

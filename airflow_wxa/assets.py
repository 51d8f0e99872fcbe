"""Assets that other DAGs are scheduled on: a release of a Mini Program, and each change of its audit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset, AssetAlias, AssetWatcher

from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.triggers.audit_change import WxaAuditChangeTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

#: Outlet of every task that releases; ``schedule=RELEASES`` follows the releases of all Mini Programs.
RELEASES: Final = AssetAlias("wxa_release")


def release_asset(appid: str) -> Asset:
    """Return ``wxa://{appid}/release``: an event of it says that this Mini Program was released.

    The event's ``extra`` is ``{"appid", "outcome", "user_version", "domains", "lost", "dag_id", "run_id", "version"}``:
    ``outcome`` is ``released``, or ``already_released`` where it was run again; ``domains`` are the effective business
    domains, ``lost`` those that went offline unasked, each ``null`` where WeChat did not tell; ``version`` is as WeChat
    shows it.
    """
    uri = f"wxa://{appid}/release"
    return Asset(name=uri, uri=uri)


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


def announce_release(context: Context, outcome: Mapping[str, Any], *, user_version: str = "") -> None:
    """Emit the event of a release, from a task with the outlet :data:`RELEASES`, once the task has succeeded.

    :param outcome: the step's.
    :param user_version: the released one, for answers that leave it out.
    """
    if (events := context.get("outlet_events")) is not None:
        version, ti = outcome["release_version"] or user_version, context.get("ti")
        told = {
            **{name: outcome.get(name) for name in ("appid", "outcome", "lost")},
            "user_version": user_version or version,
            "dag_id": getattr(ti, "dag_id", ""),
            "run_id": getattr(ti, "run_id", ""),
            "version": version,
            "domains": outcome["effective"],
        }
        events[RELEASES].add(release_asset(outcome["appid"]), extra=told)

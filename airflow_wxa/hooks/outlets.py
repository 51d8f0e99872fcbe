"""The Asset of a release, and the event that tells of one."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk import Asset, AssetAlias, Context

log = logging.getLogger(__name__)

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


def announce_release(context: Context, outcome: Mapping[str, Any], *, user_version: str = "") -> None:
    """Emit the event of a release, from a task with the outlet :data:`RELEASES`, once the task has succeeded.

    :param outcome: the step's.
    :param user_version: the released one, for answers that leave it out.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    if RELEASES not in getattr(context.get("task"), "outlets", [RELEASES]):
        log.warning(
            "no Asset event tells of this release: give the task outlets=[RELEASES], of airflow_wxa.assets, to emit one"
        )
        return
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

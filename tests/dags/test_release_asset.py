"""A release emits an event of its Asset, and nothing else of the run does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox.testing import APPID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.airflow_session import Run


def events() -> list[tuple[str, Any]]:
    """Return URI and extra of each Asset event, oldest first; the extra without what Airflow adds."""
    from airflow.models.asset import AssetEvent  # noqa: PLC0415  takes seconds
    from airflow.utils.session import create_session  # noqa: PLC0415  takes seconds
    from sqlalchemy import select  # noqa: PLC0415  takes seconds

    with create_session() as session:
        found = session.scalars(select(AssetEvent).order_by(AssetEvent.id)).all()
        return [(event.uri, event.extra) for event in found if event.uri.startswith("wxa:")]


def test_a_release_tells_version_and_effective_domains(release: Callable[..., Run]) -> None:
    before = len(events())
    assert release().state == "success"
    [(uri, extra)] = events()[before:]
    assert uri == f"wxa://{APPID}/release"
    told = {name: extra[name] for name in ("appid", "outcome", "user_version", "version", "domains", "lost")}
    assert told == {
        "appid": APPID,
        "outcome": "released",
        "user_version": "1.4.0",
        "version": "1.4.0",
        "domains": ["https://m.example.com"],
        "lost": [],
    }
    assert extra["dag_id"] == "wxa_release"


def test_a_run_that_does_not_release_tells_nothing(release: Callable[..., Run]) -> None:
    before = len(events())
    assert release(user_version="1.5.0", release=False).state == "success"
    assert events()[before:] == []


def test_a_version_that_wechat_leaves_out_is_the_one_that_was_released() -> None:
    from airflow_wxa.assets import RELEASES, announce_release  # noqa: PLC0415  takes seconds

    told: list[Any] = []
    event = SimpleNamespace(add=lambda asset, extra: told.append((asset.uri, extra)))
    context: Any = {"outlet_events": {RELEASES: event}, "ti": SimpleNamespace(dag_id="ours", run_id="spring")}
    outcome = {"outcome": "released", "appid": APPID, "release_version": "", "effective": [], "lost": None}
    announce_release(context, outcome, user_version="1.4.0")
    extra = {
        "appid": APPID,
        "outcome": "released",
        "lost": None,
        "user_version": "1.4.0",
        "dag_id": "ours",
        "run_id": "spring",
        "version": "1.4.0",
        "domains": [],
    }
    assert told == [(f"wxa://{APPID}/release", extra)]

"""Fleets of Mini Programs in an emulated WeChat, and manifests for them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import yaml

from airflow_wxa.sandbox.exchange import FaultKind
from airflow_wxa.sandbox.platforms import Platform, Template
from airflow_wxa.sandbox.server import RunningSandbox
from airflow_wxa.sandbox.state import AuditPlan, MiniProgram
from airflow_wxa.sandbox.testing import COMPONENT_APPID, PLATFORM_TOKEN
from airflow_wxa.sandbox.world import World

#: Takes a world, or the number of Mini Programs in one.
Serves = Callable[["World | int"], RunningSandbox]

NEVER: Final = 10**6  # polls
#: Ways of losing the answer to a write, before or after its work.
LOST: Final[tuple[FaultKind, ...]] = ("drop_before", "drop_after", "errcode_after", "truncated")
RELEASE: Final[Mapping[str, Any]] = {
    "template_id": 47,
    "user_version": "1.4.0",
    "domain_action": "set",
    "webviewdomain": ["https://m.example.com"],
}
#: Changes of a release that leaves domains alone.
NO_DOMAINS: Final[Mapping[str, Any]] = {"domain_action": "get", "webviewdomain": None}


def appid(number: int) -> str:
    return f"wx{number << 8:016x}"  # none of them is the platform


def token(number: int) -> str:
    return f"merchant-token-{number:06d}"


def fleet_world(count: int, *, audit_polls: int = 0, **platform: Any) -> World:
    """Return a platform with ``example.com`` and as many Mini Programs, whose audits end at once."""
    hosts = {"testing": ["example.com"], "published": ["example.com"], "audit_limit": 100_000}
    tokens = {"component_appid": COMPONENT_APPID, "component_access_token": PLATFORM_TOKEN}
    return World(
        platforms=[Platform(**tokens, **hosts | platform)],
        mini_programs=[
            MiniProgram(
                appid=appid(number),
                component_appid=COMPONENT_APPID,
                authorizer_access_token=token(number),
                scan_polls=0,
                audit=AuditPlan(polls=audit_polls),
            )
            for number in range(count)
        ],
        templates=[Template(template_id=47)],
    )


def manifest(apps: int | Sequence[str], /, *, release: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """Return a manifest for these, or for so many; a value of ``None`` leaves a part out.

    :param release: changes of the values for all.
    """
    named = [appid(number) for number in range(apps)] if isinstance(apps, int) else list(apps)
    whole = {"release": _given(RELEASE, release or {}), "apps": named}
    return yaml.safe_dump(_given(whole, changes), allow_unicode=True)


def _given(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def accepted(wechat: RunningSandbox, endpoint: str) -> list[str]:
    """Return the Mini Programs of the calls that WeChat accepted, in order."""
    taken = [each for each in list(wechat.journal) if (each.path, each.errcode) == (f"/wxa/{endpoint}", 0)]
    return [str(each.appid) for each in taken]

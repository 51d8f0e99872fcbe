"""Fleets of Mini Programs in an emulated WeChat, and runs of ``wxa_fleet_release`` on them."""

from __future__ import annotations

import json
from typing import Any

import yaml

from airflow_wxa.sandbox.platforms import Platform, Template
from airflow_wxa.sandbox.state import AuditPlan, MiniProgram
from airflow_wxa.sandbox.testing import COMPONENT_APPID, PLATFORM_TOKEN
from airflow_wxa.sandbox.world import World


def appid(number: int) -> str:
    return f"wx{number << 8:016x}"  # none of them is the platform


def token(number: int) -> str:
    return f"merchant-token-{number:06d}"


def fleet_world(count: int, *, audit_polls: int = 0, **platform: Any) -> World:
    """Return a platform with ``example.com`` and as many Mini Programs, whose audits end at once."""
    return World(
        platforms=[
            Platform(
                component_appid=COMPONENT_APPID,
                component_access_token=PLATFORM_TOKEN,
                **{"testing": ["example.com"], "published": ["example.com"], "audit_limit": 100_000} | platform,
            )
        ],
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


def fleet_connection(host: str, count: int) -> str:
    """Return a Connection with a fixed token for each."""
    extra = {
        "authorizer_access_tokens": {appid(number): token(number) for number in range(count)},
        "component_access_token": PLATFORM_TOKEN,
    }
    return json.dumps({"conn_type": "wxa", "host": host, "extra": extra})


def manifest(count: int, **changes: Any) -> str:
    """Return a manifest for all of them; a value of ``None`` leaves a part out."""
    whole: dict[str, Any] = {
        "release": {
            "template_id": 47,
            "user_version": "1.4.0",
            "domain_action": "set",
            "webviewdomain": ["https://m.example.com"],
        },
        "apps": [appid(number) for number in range(count)],
    }
    return yaml.safe_dump({name: value for name, value in (whole | changes).items() if value is not None})

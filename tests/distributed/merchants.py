"""The Mini Programs of the cluster: some that are released alone, and two fleets."""

from __future__ import annotations

from typing import Final

from airflow_wxa.cli.demo.releases import TEMPLATE_ID
from airflow_wxa.sandbox import MiniProgram, Platform, Template, World
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET, COMPONENT_VERIFY_TICKET, REFRESH_TOKEN

MERCHANTS: Final = [f"wx{number:016x}" for number in (1, 2, 3)]
FLEET: Final = [f"wx{number:016x}" for number in range(0x1000, 0x1000 + 120)]
FLEET_OF_LOST_WORKERS: Final = [f"wx{number:016x}" for number in range(0x2000, 0x2000 + 60)]


def world() -> World:
    """Return them on one platform; no token is known, each has to be refreshed."""
    platform = Platform(
        component_appid=COMPONENT_APPID,
        component_appsecret=COMPONENT_APPSECRET,
        component_verify_ticket=COMPONENT_VERIFY_TICKET,
        testing=["example.com"],
        published=["example.com"],
        audit_limit=1000,
    )
    merchants = [
        MiniProgram(appid=appid, component_appid=COMPONENT_APPID, refresh_token=f"{REFRESH_TOKEN} {appid}")
        for appid in (*MERCHANTS, *FLEET, *FLEET_OF_LOST_WORKERS)
    ]
    return World(platforms=[platform], mini_programs=merchants, templates=[Template(template_id=TEMPLATE_ID)])

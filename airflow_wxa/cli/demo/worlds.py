"""The emulated WeChat of the demo: two platforms, six Mini Programs, and the Connections that reach them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_wxa.cli.demo.stories import REASON, STORIES, TEMPLATE_ID, UNREGISTERED, WANTED
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, Template, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_wxa.sandbox import RunningSandbox

FIRST_PLATFORM = "wx100000000000000f"
SECOND_PLATFORM = "wx200000000000000f"
#: Set by its owner on mp.weixin.qq.com, not on the platform's list: the release of "plain" drops it.
RETIRED = "https://old.example.net"


def demo_world(new_token: Callable[[], str]) -> World:
    """Return the world in which every story can end as it must.

    :param new_token: called once for each platform and each Mini Program.
    """
    filled = Platform(
        component_appid=FIRST_PLATFORM,
        component_access_token=new_token(),
        testing=["example.com"],
        published=["example.com"],
    )
    empty = Platform(component_appid=SECOND_PLATFORM, component_access_token=new_token())
    circumstances = _circumstances()
    mini_programs = [
        MiniProgram(
            appid=story.appid,
            authorizer_access_token=new_token(),
            **{"component_appid": FIRST_PLATFORM, **circumstances[story.word]},
        )
        for story in STORIES
    ]
    return World(platforms=[filled, empty], mini_programs=mini_programs, templates=[Template(template_id=TEMPLATE_ID)])


def _circumstances() -> Mapping[str, dict[str, Any]]:
    """Return what is special about the Mini Program of each story; one wait of each kind is enough for a demo."""
    at_once: dict[str, Any] = {"scan_polls": 0, "audit": AuditPlan(polls=0)}
    return {
        "plain": {"mp_webviewdomain": [RETIRED]},
        "unchanged": {"third_webviewdomain": [WANTED], "effective_webviewdomain": [WANTED], **at_once},
        "register": {"component_appid": SECOND_PLATFORM, **at_once},
        "individual": {"individual": True, **at_once},
        "unregistered": {"mp_webviewdomain": [UNREGISTERED]},
        "rejected": {"scan_polls": 0, "audit": AuditPlan(polls=1, result="rejected", reason=REASON)},
    }


def connections(sandbox: RunningSandbox) -> dict[str, str]:
    """Return the environment variables of three Connections to a sandbox of :func:`demo_world`.

    The platform-wide write of the second platform has a Connection of its own: whoever may release one merchant
    need not thereby be able to change the list of all.
    """
    first, second = sandbox.world.platforms
    return {
        "AIRFLOW_CONN_WXA_DEFAULT": _connection(
            sandbox,
            authorizer_access_tokens=_merchants(sandbox.world, first),
            component_access_token=first.component_access_token,
        ),
        "AIRFLOW_CONN_WXA_SECOND": _connection(sandbox, authorizer_access_tokens=_merchants(sandbox.world, second)),
        "AIRFLOW_CONN_WXA_SECOND_PLATFORM": _connection(sandbox, component_access_token=second.component_access_token),
    }


def _merchants(world: World, platform: Platform) -> dict[str, str]:
    return {
        each.appid: each.authorizer_access_token
        for each in world.mini_programs
        if each.component_appid == platform.component_appid
    }


def _connection(sandbox: RunningSandbox, **extra: Any) -> str:
    return json.dumps({"conn_type": "wxa", "host": sandbox.url, "extra": extra})

"""The emulated WeChat of the demo: two platforms, six Mini Programs, and the Connections that reach them."""

from __future__ import annotations

import json
import secrets
import string
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.cli.demo.stories import (
    FIRST_PLATFORM,
    REASON,
    SECOND_PLATFORM,
    STORIES,
    TEMPLATE_ID,
    UNREGISTERED,
    WANTED,
)
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, Template, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_wxa.sandbox import RunningSandbox

#: Set by its owner on mp.weixin.qq.com, not on the platform's list: the release of "plain" drops it.
RETIRED: Final = "https://old.example.net"

#: Connection → the platform whose credentials it holds, and whose pushes come under its name.
CONNECTIONS: Final[Mapping[str, str]] = {"wxa_default": FIRST_PLATFORM, "wxa_second": SECOND_PLATFORM}

_SECRET_BYTES: Final = 24
_AES_KEY_CHARACTERS: Final = 43


def _random_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def _random_aes_key() -> str:
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(_AES_KEY_CHARACTERS))


def demo_world(
    new_secret: Callable[[], str] = _random_secret, new_aes_key: Callable[[], str] = _random_aes_key
) -> World:
    """Return the world in which every story can end as it must.

    No account has a fixed token: a platform gets its ticket by a push and its token for the ticket, a Mini Program's
    token costs its refresh token, which is another one afterwards.

    :param new_secret: makes each platform's secret and push token, each first refresh token, and the unpredictable
        part of every ticket and token that is issued.
    :param new_aes_key: makes each platform's encoding_aes_key, 43 letters and digits.
    """

    def platform(component_appid: str, *registered: str) -> Platform:
        return Platform(
            component_appid=component_appid,
            component_appsecret=new_secret(),
            push_token=new_secret(),
            encoding_aes_key=new_aes_key(),
            rotate_refresh_tokens="each",
            refresh_grace_seconds=0,
            testing=list(registered),
            published=list(registered),
        )

    circumstances = _circumstances()
    mini_programs = [
        MiniProgram(
            appid=story.appid,
            component_appid=story.component_appid,
            refresh_token=new_secret(),
            **circumstances[story.word],
        )
        for story in STORIES
    ]
    return World(
        platforms=[platform(FIRST_PLATFORM, "example.com"), platform(SECOND_PLATFORM)],
        mini_programs=mini_programs,
        templates=[Template(template_id=TEMPLATE_ID)],
        generate=new_secret,
    )


def _circumstances() -> Mapping[str, dict[str, Any]]:
    """Return what is special about the Mini Program of each story; one wait of each kind is enough for a demo."""
    at_once: dict[str, Any] = {"scan_polls": 0, "audit": AuditPlan(polls=0)}
    return {
        "plain": {"mp_webviewdomain": [RETIRED]},
        "unchanged": {"third_webviewdomain": [WANTED], "effective_webviewdomain": [WANTED], **at_once},
        "register": at_once,
        "individual": {"individual": True, **at_once},
        "unregistered": {"mp_webviewdomain": [UNREGISTERED]},
        "rejected": {"scan_polls": 0, "audit": AuditPlan(polls=1, result="rejected", reason=REASON)},
    }


def connections(sandbox: RunningSandbox) -> dict[str, str]:
    """Return the environment variables of the Connections to a sandbox of :func:`demo_world`."""
    return {
        f"AIRFLOW_CONN_{conn_id.upper()}": _connection(sandbox.url, sandbox.world.platform(component_appid))
        for conn_id, component_appid in CONNECTIONS.items()
    }


def _connection(host: str, platform: Platform) -> str:
    return json.dumps(
        {
            "conn_type": "wxa",
            "host": host,
            "login": platform.component_appid,
            "password": platform.component_appsecret,
            "extra": {"push_token": platform.push_token, "encoding_aes_key": platform.encoding_aes_key},
        }
    )

"""``airflow-wxa sandbox``: an emulated WeChat in the foreground, and the Connection that reaches it."""

from __future__ import annotations

import json
import shlex
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from airflow_wxa.sandbox import MiniProgram, Platform, Template, World
from airflow_wxa.sandbox import run as serve_until_ctrl_c

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox

# Tokens of the default world are made up and open nothing but this sandbox, so they may be printed.
PLATFORM_APPID = "wx10000000000000aa"


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    :return: 0, or 1 when the world cannot be read or the address cannot be bound.
    """
    try:
        world = World.from_json(json.loads(arguments.world.read_text("utf-8"))) if arguments.world else default_world()
    except (OSError, ValueError) as error:
        return _refused(f"the world of {arguments.world} cannot be read: {error}")
    announce = partial(introduce, console=Console(), source=arguments.world)
    try:
        serve_until_ctrl_c(world, arguments.host, arguments.port, announce=announce)
    except OSError as error:
        return _refused(
            f"cannot listen on {arguments.host}, port {arguments.port}: {error}\n"
            "  choose another one with --port, 0 for a free one"
        )
    return 0


def _refused(why: str) -> int:
    Console(stderr=True).print(why, style="red", markup=False, highlight=False, soft_wrap=True)
    return 1


def default_world() -> World:
    """Return a platform that has registered ``example.com``, and three Mini Programs on different roads."""
    own: dict[str, Any] = {"component_appid": PLATFORM_APPID}
    return World(
        platforms=[
            Platform(
                component_appid=PLATFORM_APPID,
                component_access_token="sandbox-platform-token",  # noqa: S106  made up, opens this sandbox only
                testing=["example.com"],
                published=["example.com"],
            )
        ],
        mini_programs=[
            MiniProgram(appid="wx1000000000000001", authorizer_access_token="sandbox-token-1", **own),  # noqa: S106
            MiniProgram(
                appid="wx1000000000000002",
                authorizer_access_token="sandbox-token-2",  # noqa: S106
                third_webviewdomain=["https://m.example.com"],
                **own,
            ),
            MiniProgram(
                appid="wx1000000000000003",
                authorizer_access_token="sandbox-token-3",  # noqa: S106
                individual=True,
                **own,
            ),
        ],
        templates=[Template(template_id=47)],
    )


def introduce(running: RunningSandbox, *, console: Console, source: Path | None) -> None:
    """Print where it listens, how Airflow reaches it, and where to see what it was asked.

    :param source: the file of the world, whose tokens are not shown; ``None`` for the default world.
    """
    console.print(f"[bold]Emulated WeChat[/] at {running.url} (Ctrl-C ends it)", highlight=False)
    console.print(f"Journal of all calls: {running.url}/_sandbox/journal", highlight=False)
    console.print(_mini_programs(running.world))
    if source is not None:
        console.print(f"Its tokens are those of {source}; a Connection wants {running.url} as host.", highlight=False)
        return
    console.print("A Connection for Airflow, ready to paste:\n", highlight=False)
    line = f"export AIRFLOW_CONN_WXA_DEFAULT={shlex.quote(connection(running))}"
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def connection(running: RunningSandbox) -> str:
    """Return a Connection to a sandbox as JSON, with the tokens of its first platform and of all Mini Programs."""
    extra: dict[str, Any] = {
        "authorizer_access_tokens": {each.appid: each.authorizer_access_token for each in running.world.mini_programs},
        "component_access_token": running.world.platforms[0].component_access_token,
    }
    if not ip_address(urlsplit(running.url).hostname or "").is_loopback:
        extra["allow_http"] = True
    return json.dumps({"conn_type": "wxa", "host": running.url, "extra": extra})


def _mini_programs(world: World) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for header in ("Mini Program", "owner", "platform list", "domains"):
        table.add_column(header, no_wrap=header == "Mini Program", overflow="fold")
    for each in world.mini_programs:
        registered = world.platform_of(each).registered
        table.add_row(
            each.appid,
            "individual" if each.individual else "company",
            ", ".join(registered) or "empty",
            ", ".join(each.third_webviewdomain) or "none",
        )
    return table

"""``airflow-wxa sandbox``: an emulated WeChat in the foreground, and the Connection that reaches it."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table

from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.sandbox import Introduction, World, default_world
from airflow_wxa.sandbox import run as serve_until_ctrl_c

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    :return: 0, or 1 when the world cannot be read or the address cannot be bound.
    """
    try:
        world = World.from_json(json.loads(arguments.world.read_text("utf-8"))) if arguments.world else default_world()
    except (OSError, ValueError) as error:
        return _refused(f"the world of {arguments.world} cannot be read: {error}")
    announce = partial(introduce, console=Terminal(), source=arguments.world)
    try:
        serve_until_ctrl_c(world, arguments.host, arguments.port, announce=announce)
    except OSError as error:
        return _refused(
            f"cannot listen on {arguments.host}, port {arguments.port}: {error}\n"
            "  choose another one with --port, 0 for a free one"
        )
    return 0


def _refused(why: str) -> int:
    Terminal(stderr=True).print(why, style="red", markup=False, highlight=False, soft_wrap=True)
    return 1


def introduce(running: RunningSandbox, *, console: Terminal, source: Path | None) -> None:
    """Print its address, how Airflow reaches it, and the page that shows its calls.

    :param source: the file of the world, whose tokens are not shown; ``None`` for the default world.
    """
    console.print(f"[bold]Emulated WeChat[/] at {running.url} (Ctrl-C ends it)", highlight=False)
    console.print(f"Page, where audits are approved and rejected: {running.url}/", highlight=False)
    console.print(f"Journal of all calls: {running.url}/_sandbox/journal", highlight=False)
    facts = Introduction.of(running.world, running.url) if source is None else None
    console.print(_mini_programs(running.world, facts.tokens if facts else {}))
    templates = ", ".join(str(each.template_id) for each in running.world.templates)
    console.print(f"Templates: {templates or 'none'}", highlight=False)
    if facts is None:
        held = f"Its tokens are those of {source}" if running.world.tokens() else f"{source} holds no tokens"
        console.print(f"{held}; a Connection wants {running.url} as host.", highlight=False)
        return
    console.print(f"Platform token: {facts.platform_token}", highlight=False)
    console.print("A Connection for Airflow, ready to paste:\n", highlight=False)
    line = f"export AIRFLOW_CONN_WXA_DEFAULT={shlex.quote(facts.connection)}"
    console.print(line, soft_wrap=True, markup=False, highlight=False)
    for each in running.world.platforms[1:]:
        line = f"export AIRFLOW_CONN_WXA_SECOND={shlex.quote(running.connection(each.component_appid))}"
        console.print(f"\nOf the platform {each.component_appid}, whose list is empty:\n", highlight=False)
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print("\nA release to try:\n", highlight=False)
    console.print(facts.command, soft_wrap=True, markup=False, highlight=False)


def _mini_programs(world: World, tokens: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for header in ("Mini Program", *(("token",) if tokens else ()), "owner", "platform list", "domains"):
        table.add_column(header, no_wrap=header in ("Mini Program", "token"), overflow="fold")
    for each in world.mini_programs:
        owner = "individual" if each.individual else "company" if each.authorised else "withdrew"
        audits = {"rejected": ", audits rejected", "by_hand": ", audits by hand"}.get(each.audit.result, "")
        registered = world.platform_of(each).registered
        table.add_row(
            each.appid,
            *((tokens.get(each.appid, "none"),) if tokens else ()),
            owner + audits,
            ", ".join(registered) or "empty",
            ", ".join(each.third_webviewdomain) or "none",
        )
    return table

"""``airflow-wxa sandbox``: an emulated WeChat in the foreground, and the Connection that reaches it."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table

from airflow_wxa.cli.terminal import Terminal, cannot_listen, header
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import Introduction, World, default_world
from airflow_wxa.sandbox import run as serve_until_ctrl_c
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    try:
        world = World.from_json(json.loads(arguments.world.read_text("utf-8"))) if arguments.world else default_world()
    except (OSError, ValueError) as error:
        raise WxaError(Text("world_cannot_be_read", world=arguments.world, error=error)) from None
    announce = partial(introduce, console=Terminal(), source=arguments.world)
    try:
        serve_until_ctrl_c(world, arguments.host, arguments.port, announce=announce)
    except OSError as error:
        raise cannot_listen(arguments.host, arguments.port, error) from None
    return 0


def introduce(running: RunningSandbox, *, console: Terminal, source: Path | None) -> None:
    """Print its address, how Airflow reaches it, and the page that shows its calls.

    :param source: the file of the world, whose tokens are not shown; ``None`` for the default world.
    """
    facts = Introduction.of(running.world, running.url) if source is None else None
    templates = ", ".join(str(each.template_id) for each in running.world.templates)

    def tell(key: str, **values: object) -> None:
        console.print(phrase(key, **values), soft_wrap=True, markup=False, highlight=False)

    tell("sandbox_is_up", url=running.url)
    console.print(_mini_programs(running.world, facts.tokens if facts else {}))
    tell("sandbox_templates", templates=templates or Text("none"))
    if facts is None:
        tell("sandbox_tokens" if running.world.tokens() else "sandbox_has_no_tokens", source=source, url=running.url)
        return
    tell("sandbox_connection", token=facts.platform_token, connection=shlex.quote(facts.connection))
    for each in running.world.platforms[1:]:
        quoted = shlex.quote(running.connection(each.component_appid))
        tell("sandbox_second_connection", platform=each.component_appid, connection=quoted)
    tell("sandbox_release", command=facts.command)


def _mini_programs(world: World, tokens: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("Mini Program", *(("token",) if tokens else ()), "owner", "platform list", "domains"):
        is_whole = name in ("Mini Program", "token")
        table.add_column(header(name), no_wrap=is_whole, overflow="fold")
    for each in world.mini_programs:
        owner = "individual" if each.individual else "company" if each.authorised else "withdrew"
        audit = {"rejected": Text("audits_rejected"), "by_hand": Text("audits_by_hand")}.get(each.audit.result, "")
        table.add_row(
            each.appid,
            *((tokens.get(each.appid, phrase("none")),) if tokens else ()),
            as_set(Text(f"owner_{owner}", audit=audit)),
            ", ".join(world.platform_of(each).registered) or phrase("empty_list"),
            ", ".join(each.third_webviewdomain) or phrase("none"),
        )
    return table

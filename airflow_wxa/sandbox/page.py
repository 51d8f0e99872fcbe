"""The page at ``/``: what is not imitated, the Mini Programs with what a person may do to them, and all paths."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from airflow_wxa.sandbox.audit import IN_AUDIT
from airflow_wxa.sandbox.handlers import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

MOST_ROWS = 200

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Emulated WeChat</title>
<style>body{{font:16px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}}
td,th{{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}}form{{display:inline}}</style></head><body>
<h1>Emulated WeChat</h1>
<p><strong>What this does not imitate:</strong> {left_out}
It checks what WeChat's pages and developers' reports say WeChat checks, and nothing here ever reaches WeChat.</p>
<h2>Mini Programs</h2>
<p>{shown} of {total}</p>
<table><tr><th>appid</th><th>owner</th>
<th>trial</th><th>audit</th><th>online</th><th>effective domains</th><th></th><th></th></tr>
{rows}</table>
<h2>Control</h2>
<table>{controls}</table>
<h2>Endpoints</h2>
<ul>{endpoints}</ul>
</body></html>
"""

NOT_IMITATED = """WeChat's reviewers, its rendering and its real accounts; the page where a merchant authorises; code
that is uploaded, and media that are looked at; call limits a minute, and a day outside the token calls; the time things
take (audits and scans take a number of polls, tickets come when they are pushed). Replicas and other looseness are
switched on with <code>/_sandbox/loose</code>, latency with the world's <code>latency</code>."""


def page(world: World, controls: Iterable[tuple[str, str]]) -> str:
    """Return the page.

    :param controls: each control path and what it does.
    """
    rows = [_row(each) for each in world.mini_programs[:MOST_ROWS]]
    return PAGE.format(
        left_out=NOT_IMITATED,
        rows="\n".join(rows),
        shown=len(rows),
        total=len(world.mini_programs),
        controls="\n".join(f"<tr><td>{escape(path)}</td><td>{escape(does)}</td></tr>" for path, does in controls),
        endpoints="".join(f"<li>{each.method} {each.path}</li>" for each in ENDPOINTS.values()),
    )


def _row(account: MiniProgram) -> str:
    cells = (
        account.appid,
        "individual" if account.individual else "company",
        account.exp_info["exp_version"] if account.exp_info else "",
        account.sheet.stage if account.sheet else "",
        account.release_info["release_version"] if account.release_info else "",
        ", ".join(account.effective_webviewdomain),
    )
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    source = f"/_sandbox/qrcode?appid={escape(account.appid)}"
    picture = f'<img src="{source}" width="82" alt="trial QR code">' if account.exp_info else ""
    return f"<tr>{shown}<td>{picture}</td><td>{_actions(account)}</td></tr>"


def _actions(account: MiniProgram) -> str:
    """Return buttons: approve and reject while something is in audit, individual or company at any time."""
    appid, other = escape(account.appid), "false" if account.individual else "true"
    kind = "company" if account.individual else "individual"
    actions = [_button(f"mini_program?appid={appid}&amp;individual={other}", f"make it a {kind}'s")]
    if account.sheet and account.sheet.stage in IN_AUDIT:
        actions += [
            _button(f"decide?appid={appid}&amp;result=approved", "approve"),
            _button(
                f"decide?appid={appid}&amp;result=rejected", "reject", '<input name="reason" placeholder="reason">'
            ),
        ]
    return " ".join(actions)


def _button(action: str, label: str, field: str = "") -> str:
    return f'<form method="post" action="/_sandbox/{action}&amp;back=1">{field}<button>{label}</button></form>'

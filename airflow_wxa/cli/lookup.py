"""``airflow-wxa errcode``: meaning of WeChat's numbers, person to act, next step; ``docs``: the package's own pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

import airflow_wxa
from airflow_wxa.api.errcodes import ERROR_CLASSES, Errcode, errcodes
from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.texts import in_language

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

WHO_ACTS: Final[Mapping[str, str]] = {
    "ok": "nobody: it worked",
    "noop": "nobody: what was wanted already holds",
    "transient": "the machine: it repeats the call later",
    "quota": "the clock: a counter has to reset first",
    "token": "whoever keeps the credentials",
    "permission": "the merchant, or whoever may use the console, has to grant something",
    "platform_setup": "whoever configures the third-party platform",
    "unsupported_account": "whoever releases: this kind of Mini Program cannot do it, the next step says how to go on",
    "state": "whoever releases: read the state, then decide",
    "input": "whoever wrote the request",
    "unknown": "whoever releases, with the rid in hand",
}
LABEL_WIDTH: Final = 11
NOT_LISTED: Final = (
    "{code} is not in the table. It may still be WeChat's: search the endpoint's page on "
    "https://developers.weixin.qq.com/doc/oplatform/ for it, and give the rid of the answer to their support."
)


def errcode(arguments: argparse.Namespace) -> int:
    """Print each code.

    :return: 0, or 1 when one of them is missing in the table.
    """
    return explain(arguments.codes, Terminal())


def explain(codes: Sequence[int], console: Terminal) -> int:
    """Print each code on a console; see :func:`errcode`."""
    missing = 0
    for number, code in enumerate(codes):
        if number:
            console.print()
        row = errcodes().get(code)
        if row is None:
            console.print(NOT_LISTED.format(code=code), style="yellow", highlight=False)
            missing = 1
            continue
        console.print(Text.assemble((str(row.errcode), "bold"), "  ", row.name.replace("_", " ")))
        console.print(sheet(row))
        for place, source in enumerate(row.source.split("; ")):  # not in the table, which would break long addresses
            label = "" if place else "source"
            console.print(Text.assemble((label.ljust(LABEL_WIDTH), "dim"), source), soft_wrap=True)
    return missing


def sheet(row: Errcode) -> RenderableType:
    """Return a row of the table as it is shown, without its sources."""
    raises = ERROR_CLASSES[row.class_].__name__ if row.class_ in ERROR_CLASSES and row.class_ != "noop" else "no error"
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    endpoints = ", ".join("any" if path == "*" else path for path in row.endpoints)
    for name, text in (
        ("class", f"{row.class_} ({raises})"),
        ("who acts", WHO_ACTS[row.class_]),
        ("meaning", row.meaning),
        ("含义", in_language(row.meaning, "zh")),
        ("next step", row.action),
        ("下一步", in_language(row.action, "zh")),
        ("endpoints", endpoints or "none of a release"),
    ):
        table.add_row(name, Text(text))
    return table


def docs(arguments: argparse.Namespace) -> int:
    """Print one page, or the list of them.

    :return: 0, or 1 when there is no page of this name.
    """
    found = pages()
    if arguments.page is None:
        Terminal(highlight=False).print(_listed(found))
        return 0
    if arguments.page not in found:
        why = f"there is no page {arguments.page!r}: {', '.join(found)}"
        Terminal(stderr=True).print(why, style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    text = found[arguments.page].read_text("utf-8")
    if sys.stdout.isatty():
        Terminal().print(Markdown(text))
    else:
        sys.stdout.write(text)
    return 0


def pages() -> Mapping[str, Path]:
    """Return the pages by name, Chinese ones as ``zh/<name>``: inside the package of a wheel, beside it in a checkout.

    :raises FileNotFoundError: neither is there.
    """
    package = Path(airflow_wxa.__file__).parent
    for folder in (package / "docs", package.parent / "docs"):
        if found := sorted(folder.rglob("*.md")):
            return {f"{'zh/' if folder / 'zh' in path.parents else ''}{path.stem}": path for path in found}
    raise FileNotFoundError(f"no page in {package / 'docs'} or {package.parent / 'docs'}")


def _listed(found: Mapping[str, Path]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, path in found.items():
        with path.open(encoding="utf-8") as lines:
            table.add_row(name, lines.readline().lstrip("# ").rstrip())
    return table

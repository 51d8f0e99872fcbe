"""``airflow-wxa errcode``: meaning of WeChat's numbers, person to act, next step; ``docs``: the package's own pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text as RichText

import airflow_wxa
from airflow_wxa.api.errcodes import ERROR_CLASSES, Errcode, errcodes
from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.errors import WxaError
from airflow_wxa.texts import Text, in_language
from airflow_wxa.texts.setting import as_set, language, phrase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

LABEL_WIDTH: Final = 11


def errcode(arguments: argparse.Namespace) -> int:
    """Print each code; 1 when one of them is missing in the table."""
    return explain(arguments.codes, Terminal())


def explain(codes: Sequence[int], console: Terminal) -> int:
    """Print each code on a console; see :func:`errcode`."""
    missing = 0
    for number, code in enumerate(codes):
        if number:
            console.print()
        row = errcodes().get(code)
        if row is None:
            console.print(phrase("errcode_is_not_listed", code=code), style="yellow", highlight=False)
            missing = 1
            continue
        console.print(RichText.assemble((str(row.errcode), "bold"), "  ", row.name.replace("_", " ")))
        console.print(sheet(row))
        for place, source in enumerate(row.source.split("; ")):  # not in the table, which would break long addresses
            label = "" if place else phrase("label_source")
            console.print(RichText.assemble((label.ljust(LABEL_WIDTH), "dim"), source), soft_wrap=True)
    return missing


def sheet(row: Errcode) -> RenderableType:
    """Return a row of the table as it is shown, without its sources."""
    error = ERROR_CLASSES.get(row.class_) if row.class_ != "noop" else None
    endpoints = ", ".join(Text("any_endpoint") if path == "*" else path for path in row.endpoints)
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    spoken = sorted({language(), "zh"})
    for label, text in (
        (phrase("label_class"), f"{row.class_} ({error.__name__ if error else phrase('no_error')})"),
        (phrase("label_who_acts"), as_set(Text(f"acts_on_{row.class_}"))),
        *((in_language(Text("label_meaning"), each), in_language(row.meaning, each)) for each in spoken),
        *((in_language(Text("label_next_step"), each), in_language(row.action, each)) for each in spoken),
        (phrase("label_endpoints"), endpoints or phrase("no_endpoint_of_a_release")),
    ):
        table.add_row(label, RichText(text))
    return table


def docs(arguments: argparse.Namespace) -> int:
    """Print one page, or the list of them."""
    found = pages()
    if arguments.page is None:
        Terminal(highlight=False).print(_listed(found))
        return 0
    if arguments.page not in found:
        raise WxaError(Text("page_is_missing", page=repr(arguments.page), pages=", ".join(found)))
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

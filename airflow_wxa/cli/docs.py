"""``airflow-wxa docs``: the pages of this package, as the wheel carries them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

import airflow_wxa

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def run(arguments: argparse.Namespace) -> int:
    """Print one page, or the list of them.

    :return: 0, or 1 when there is no page of this name.
    """
    found = pages()
    if arguments.page is None:
        Console(highlight=False).print(_listed(found))
        return 0
    if arguments.page not in found:
        _refuse(f"there is no page {arguments.page!r}: {', '.join(found)}")
        return 1
    text = found[arguments.page].read_text("utf-8")
    if sys.stdout.isatty():
        Console().print(Markdown(text))
    else:
        sys.stdout.write(text)
    return 0


def pages() -> Mapping[str, Path]:
    """Return the pages by name: inside the package of a wheel, beside it in a checkout.

    :raises FileNotFoundError: neither is there.
    """
    package = Path(airflow_wxa.__file__).parent
    for folder in (package / "docs", package.parent / "docs"):
        if found := sorted(folder.rglob("*.md")):
            return {path.stem: path for path in found}
    raise FileNotFoundError(f"no page in {package / 'docs'} or {package.parent / 'docs'}")


def _listed(found: Mapping[str, Path]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, path in found.items():
        with path.open(encoding="utf-8") as lines:
            table.add_row(name, lines.readline().lstrip("# ").rstrip())
    return table


def _refuse(why: str) -> None:
    Console(stderr=True).print(why, style="red", markup=False, highlight=False, soft_wrap=True)

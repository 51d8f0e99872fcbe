"""Chinese pages and the lines of the English page that each was compared with."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FILE: Final = Path(__file__).with_suffix(".json")


def lines_of(page: str) -> dict[str, str]:
    """Return the lines of a page by a short mark of each."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    return {f"{zlib.crc32(line.encode()) & 0xFFFF:04x}": line for line in lines if line.strip()}


def compared() -> dict[str, tuple[str, set[str]]]:
    """Return Chinese page → English page and the marks of its lines as they were then."""
    pages = json.loads(_FILE.read_text("utf-8"))
    return {chinese: (english, set(marks.split())) for chinese, (english, marks) in pages.items()}


def note() -> None:
    """Note that each Chinese page was compared with its English page as it is now."""
    marks = {chinese: [english, " ".join(lines_of(english))] for chinese, (english, _) in compared().items()}
    _FILE.write_text(json.dumps(marks, indent=0) + "\n", "utf-8")

"""Size of a measurement, and where its figures are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

IS_FULL = os.environ.get("WXA_BENCHMARK") == "full"
FOLDER = Path(os.environ.get("WXA_BENCHMARK_FOLDER", "build/benchmarks"))
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def keep(name: str, told: object) -> None:
    """Write figures as JSON."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n")

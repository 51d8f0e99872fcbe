"""Draw how time grows with the size of a fleet, as SVG."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 360, 70, 50
COLOURS = {"ours": "#07c160", "httpx": "#576b95", "wechatpy": "#fa9d3b", "HttpOperator": "#d64545"}
NAMES = {
    "ours": "airflow-wxa shard, ledger and tokens included",
    "httpx": "bare httpx, gather",
    "wechatpy": "wechatpy, threads",
    "HttpOperator": "one mapped HttpOperator each",
}


def drawn(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw seconds by size, both on logarithmic axes."""
    taken: dict[str, dict[int, list[float]]] = {way: {} for way in COLOURS}
    for row in sorted(rows, key=lambda each: each["count"]):
        taken[row["way"]].setdefault(row["count"], []).append(row["seconds"])
    medians = {way: [(count, statistics.median(some)) for count, some in line.items()] for way, line in taken.items()}
    points = {way: line for way, line in medians.items() if line}
    counts = [count for line in points.values() for count, _ in line]
    seconds = [each for line in points.values() for _, each in line]
    x = _scale(min(counts), max(counts), LEFT, WIDTH - 20)
    low, high = 10 ** math.floor(math.log10(min(seconds))), 10 ** math.ceil(math.log10(max(seconds)))
    y = _scale(low, high, HEIGHT - BOTTOM, 20)
    font = 'font-family="sans-serif" font-size="12"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {font}>']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at = y(10**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{at:.0f}" y2="{at:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">{10**power:g} s</text>')
    parts += [
        f'<text x="{x(count):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{count:,}</text>'
        for count in sorted(set(counts))
    ]
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 10}" text-anchor="middle">Mini Programs</text>')
    for at, (way, line) in enumerate(points.items()):
        path_data = " ".join(f"{x(count):.1f},{y(each):.1f}" for count, each in line)
        parts.append(f'<polyline points="{path_data}" fill="none" stroke="{COLOURS[way]}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(count):.1f}" cy="{y(each):.1f}" r="3" fill="{COLOURS[way]}"/>' for count, each in line
        ]
        parts.append(f'<text x="{LEFT + 12}" y="{36 + 16 * at}" fill="{COLOURS[way]}">{NAMES[way]}</text>')
    path.write_text("\n".join([*parts, "</svg>", ""]), "utf-8")


def _scale(low: float, high: float, begin: float, end: float) -> Any:
    """Return a function from a value to its place."""
    span = math.log10(high) - math.log10(low) or 1.0
    return lambda value: begin + (end - begin) * (math.log10(value) - math.log10(low)) / span

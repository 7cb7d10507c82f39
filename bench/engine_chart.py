"""``bench/results/engine.svg``: the race as bars, drawn from ``engine.json``."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

NAMES = {
    "bare": "bare Celery chain (keeps nothing)",
    "dbos_direct": "DBOS, called directly",
    "ours": "this engine",
    "dbos_queue": "DBOS, from its queue",
    "prefect": "Prefect 3",
}
ROW, LEFT, WIDTH = 34, 230, 480


def draw_chart(results: Mapping[str, Any], path: Path) -> None:
    """Median flows a second of every system, each bar with its figure."""
    speeds = {
        name: float(results[f"flows_per_s_{name}"]) for name in NAMES if f"flows_per_s_{name}" in results
    }
    top, bars = max(speeds.values()), []
    for row, (name, speed) in enumerate(sorted(speeds.items(), key=lambda item: -item[1])):
        y, length = 50 + row * ROW, max(2.0, WIDTH * speed / top)
        colour = "#2563eb" if name == "ours" else "#94a3b8"
        bars.append(f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(NAMES[name])}</text>')
        bars.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="22" rx="3" fill="{colour}"/>')
        bars.append(f'<text x="{LEFT + length + 8:.1f}" y="{y + 16}">{speed:.1f}</text>')
    height = 70 + len(speeds) * ROW
    title = "Flows of four no-op stages a second, two worker processes, in turns on one machine (median)"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 80}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="20" y="28" font-size="14" font-weight="600">{escape(title)}</text>{"".join(bars)}</svg>\n',
        encoding="utf-8",
    )

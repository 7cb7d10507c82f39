"""``python -m bench.capacity_page``: tables and picture of ``docs/operate/capacity.md``, from the results.

Every figure of the page comes from a file in ``bench/results``; a test compares the page with what this
module writes.
"""

import json
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs/operate/capacity.md"
PICTURE: Final = ROOT / "bench/results/capacity.svg"
BEGIN, END = "<!-- figures: {name} -->\n", "<!-- end of figures -->\n"
SCENARIOS: Final = {
    "500": "500 flows, 50 repos, ten working days, the runbook's quotas",
    "50000": "50,000 flows, 5,000 repos, ten working days, the runbook's quotas",
    "more_quota": "fifteen minutes of the latter, a hundred times the quotas",
}
VENDORS: Final = {"anthropic": 2_000_000, "openai": 1_500_000, "google": 500_000}
"""The runbook's tokens a day."""
PAUSE_SHARE: Final = 0.85
"""``CIRCUIT_BREAKER_THRESHOLD``: new stages wait from there on."""
SIZES: Final = (10, 1_000, 100_000)
FLOWS_PER_REPO_DAY: Final = 1.0
"""The runbook's 500 flows of 50 repos in ten working days."""
GATES_CORES: Final = 2
MINUTES_DAY: Final = 24 * 60


def read_results(name: str) -> dict[str, Any]:
    """One file of ``bench/results``."""
    return dict(json.loads((ROOT / f"bench/results/{name}.json").read_text(encoding="utf-8")))


def say_yes(value: bool) -> str:
    """``yes`` or ``no``."""
    if value:
        return "yes"
    return "**no**"


def write_seconds(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:,.0f} h"


def compose_targets(capacity: Mapping[str, Any]) -> str:
    """What the simulations found of the runbook's targets."""
    lines = [
        "| simulation | created | passed | P95 < 120 s | success ≥ 99 % | USD per flow < 2 | bound by |",
        "|---|--:|--:|---|---|---|---|",
    ]
    for name, words in SCENARIOS.items():

        def read(key: str, name: str = name) -> Any:
            return capacity[f"{key}_{name}"]

        p95 = f"{write_seconds(read('p95_latency_s'))}, {say_yes(read('holds_p95'))}"
        success = f"{100 * read('success_rate'):.1f} %, {say_yes(read('holds_success'))}"
        usd = f"{read('usd_per_flow'):.2f}, {say_yes(read('holds_usd'))}"
        counts = f"{read('flows'):,} | {read('flows_passed'):,}"
        lines.append(f"| {words} | {counts} | {p95} | {success} | {usd} | {read('bound_by')} |")
    return "\n".join(lines) + "\n"


def count_tokens_per_flow(capacity: Mapping[str, Any]) -> dict[str, float]:
    """Tokens of a whole flow at each vendor, repairs and failed calls included."""
    flows = capacity["flows_more_quota"]
    return {vendor: capacity[f"tokens_{vendor}_more_quota"] / flows for vendor in VENDORS}


def compose_quotas(capacity: Mapping[str, Any]) -> str:
    """What each quota carries, and what a repo needs of it."""
    lines = [
        "| vendor | tokens per flow | the runbook's quota | carries flows a day | quota for 50 flows a day |",
        "|---|--:|--:|--:|--:|",
    ]
    for vendor, tokens in count_tokens_per_flow(capacity).items():
        carried = PAUSE_SHARE * VENDORS[vendor] / tokens
        needed = 50 * tokens / PAUSE_SHARE
        lines.append(f"| {vendor} | {tokens:,.0f} | {VENDORS[vendor]:,} | {carried:.0f} | {needed:,.0f} |")
    return "\n".join(lines) + "\n"


def compose_loads(capacity: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """What a flow costs each part, and what one part carries a day."""
    engine, gates, limiter = others["engine"], others["gates"], others["limiter"]
    own = capacity["own_seconds_per_flow_more_quota"]
    per_minute = gates["flows_per_minute_two_cores"]
    calls = sum(capacity[f"calls_{vendor}_more_quota"] for vendor in VENDORS) / capacity["flows_more_quota"]
    rows = (
        ("PostgreSQL, transactions per flow", f"{capacity['transactions_per_flow_more_quota']:.0f}"),
        (
            "PostgreSQL, write-ahead log per flow",
            f"{capacity['wal_bytes_per_flow_more_quota'] / 1000:.0f} KB",
        ),
        ("PostgreSQL, rows per flow", f"{capacity['database_bytes_per_flow_more_quota'] / 1000:.0f} KB"),
        ("Redis, messages per flow", f"{capacity['messages_per_flow_more_quota']:.1f}"),
        ("calls of models per flow", f"{calls:.1f}"),
        ("engine, limiter and their database per flow, real time on the busy machine", f"{own:.2f} s"),
        ("gates per flow, CPU", f"{gates['gates_cpu_seconds']:.0f} s"),
        (
            f"gates, flows a day on {GATES_CORES} cores",
            f"{per_minute * MINUTES_DAY:,.0f}",
        ),
        (
            "engine alone, flows of four empty stages a second, two cores",
            f"{engine['flows_per_s_ours']:.0f}",
        ),
        ("limiter, reservations and settlements a second", f"{limiter['pairs_per_s']:.0f}"),
        (
            "32 threads, the size of one worker of a provider, flows a day",
            f"{count_flows_per_worker(capacity):,.0f}",
        ),
    )
    return "| what | is |\n|---|--:|\n" + "".join(f"| {what} | {value} |\n" for what, value in rows)


def count_flows_per_worker(capacity: Mapping[str, Any], threads: int = 32) -> float:
    """Flows a day that so many threads of workers carry: each is held for as long as a stage runs."""
    seconds = capacity["seconds_models_and_gates_more_quota"] / capacity["flows_more_quota"]
    return threads * 24 * 3600 / float(seconds)


def compose_sizes(capacity: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """What 10, 1,000 and 100,000 repos need."""
    tokens = count_tokens_per_flow(capacity)
    per_core_day = others["gates"]["flows_per_minute_two_cores"] * MINUTES_DAY / GATES_CORES
    worker = count_flows_per_worker(capacity)
    lines = [
        "| repos | flows a day | tokens a day (Anthropic, OpenAI, Google) | gate cores | workers | a year |",
        "|--:|--:|---|--:|--:|--:|",
    ]
    for repos in SIZES:
        flows = repos * FLOWS_PER_REPO_DAY
        millions = ", ".join(f"{flows * one / PAUSE_SHARE / 1e6:,.1f}M" for one in tokens.values())
        # The flows of a day come within eight hours.
        cores = max(1.0, 3 * flows / per_core_day)
        workers = max(3.0, 3 * flows / worker)
        size = 260 * flows * capacity["database_bytes_per_flow_more_quota"] / 1e9
        lines.append(
            f"| {repos:,} | {flows:,.0f} | {millions} | {cores:,.0f} | {workers:,.0f} | {size:,.1f} GB |"
        )
    return "\n".join(lines) + "\n"


def draw_chart(capacity: Mapping[str, Any]) -> str:
    """Flows a day that each quota carries, beside the launch's fifty a day, on a logarithmic scale."""
    tokens = count_tokens_per_flow(capacity)
    bars = [(f"{name}, the runbook's quota", PAUSE_SHARE * VENDORS[name] / tokens[name]) for name in VENDORS]
    bars += [("the launch: 50 repos", 50.0), ("5,000 repos", 5_000.0)]
    row, left, width, top = 34, 230, 420, 10_000.0
    shapes = []
    for place, (name, value) in enumerate(bars):
        y = 50 + place * row
        length = width * _find_place(value, top)
        colour = "#94a3b8"
        if "quota" in name:
            colour = "#2563eb"
        shapes.append(f'<text x="{left - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        shapes.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="22" rx="3" fill="{colour}"/>')
        shapes.append(f'<text x="{left + length + 8:.1f}" y="{y + 16}">{value:,.0f}</text>')
    height = 70 + len(bars) * row
    title = "Flows a day: what each quota carries, and what arrives (logarithmic)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 80}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" '
        f'font-family="system-ui, sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="20" y="28" font-size="14" font-weight="600">{escape(title)}</text>'
        f"{''.join(shapes)}</svg>\n"
    )


def _find_place(value: float, top: float) -> float:
    """Where ``value`` is between 1 and ``top``, by its logarithm: 0 to 1."""
    steps, power = 0.0, 1.0
    while power * 10 <= value:
        power *= 10
        steps += 1
    steps += (value / power - 1) / 9
    most = len(str(int(top))) - 1
    return min(1.0, steps / most)


def compose_page(text: str) -> str:
    """``text`` of the page with the figures of the results between its marks."""
    capacity = read_results("capacity")
    others = {name: read_results(name) for name in ("engine", "gates", "limiter")}
    tables = {
        "targets": compose_targets(capacity),
        "quotas": compose_quotas(capacity),
        "loads": compose_loads(capacity, others),
        "sizes": compose_sizes(capacity, others),
    }
    for name, table in tables.items():
        before, rest = text.split(BEGIN.format(name=name), 1)
        _, after = rest.split(END, 1)
        text = f"{before}{BEGIN.format(name=name)}\n{table}\n{END}{after}"
    return text


def write_page() -> int:
    """Write the figures into the page, and the picture."""
    PAGE.write_text(compose_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(draw_chart(read_results("capacity")), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(write_page())

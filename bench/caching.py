"""What prompt caching saves in one flow: tokens and USD of its calls, as they are sent, and without it.

The calls of a flow with one repair round, each through its vendor's SDK to the simulated vendor, which caches
and bills as the vendor says that it does: behind marked breakpoints only (Claude, GPT-5.6 and later), by
prefixes (the others), never under a smallest size, and with the schema of the answer as a part of the key.
``without`` are the same calls with the context in the question, unmarked, behind a line that no other call
has. Writes ``results/caching.json`` and prints the table of ``docs/explanation/cost.md``. The simulator
confirms the vendors' words and not their bills.
"""

import os
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
# No table is read: the settings only have to be there.
os.environ.setdefault("DATABASE_URL", "postgres://nobody@localhost/none")
os.environ.setdefault("SECRET_KEY", "bench")
django.setup()

from bench.goals import write_results  # noqa: E402 - Django comes first
from bench.simulated import run_simulator  # noqa: E402
from orchestrator.flows.stages import context, plan, review  # noqa: E402
from providers import prices, registry  # noqa: E402
from providers.base import Adapter, Request, Usage  # noqa: E402

BENCH: Final = Path(__file__).resolve().parent
TITLE, NONCE, CONTEXT_BYTES = "Basel I capital ratio", "4f1c0a9b8d7e6f50", 100_000
AT: Final = datetime(2026, 10, 22, tzinfo=UTC)
# Stage, round, provider. A round of repair asks the implementer once more.
CALLS: Final = (
    ("context", 1, "google"),
    ("plan", 1, "anthropic"),
    ("implement", 1, "openai"),
    ("implement", 2, "openai"),
    ("review", 2, "anthropic"),
    ("docs", 1, "google"),
)
MODELS: Final = {
    # What the defaults have become by their successors.
    "default": {
        "google": "gemini-3.8-flash",
        "anthropic": "claude-sonnet-5-5",
        "openai": "gpt-5.6-sol",
    },
    "older": {"google": "gemini-2.5-flash", "anthropic": "claude-sonnet-4-6", "openai": "gpt-4.1"},
}
# The stages that answer JSON, each by a schema of its own.
SCHEMAS: Final = {"context": context.SCHEMA, "plan": plan.SCHEMA, "review": review.SCHEMA}


@dataclass(frozen=True, slots=True)
class Line:
    """One call: what it used and cost."""

    stage: str
    round: int
    model: str
    usage: Usage
    usd: Decimal


def read_context() -> str:
    """The files of the samples' repos, up to the size of a usual bundle."""
    files = sorted(path for path in (BENCH.parent / "samples").glob("*/repo/**/*") if path.is_file())
    text = "".join(f"<<<FILE {path.name}>>>\n{path.read_text(encoding='utf-8')}" for path in files)
    return (text * (1 + CONTEXT_BYTES // max(len(text), 1)))[:CONTEXT_BYTES]


def run(models: dict[str, str], adapters: dict[str, Adapter], *, stable: bool) -> list[Line]:
    """The calls of one flow, in order."""
    lines, shown = [], read_context()
    for number, (stage, at_round, provider) in enumerate(CALLS):
        head = f"[blocks stage={stage} round={at_round} nonce={NONCE}]"
        asked = f"{head}\n<feature_request>\n# {TITLE}\n</feature_request>\n"
        request = Request(
            model=models[provider],
            system=f"You are the {stage} stage.",
            prompt=asked if stable else f"Call {number}.\n{shown}\n{asked}",
            max_output_tokens=16_384,
            timeout_seconds=30,
            stable=shown if stable else "",
            json_schema=SCHEMAS.get(stage),
            effort="low",
        )
        used = adapters[provider].complete(request).usage
        lines.append(
            Line(
                stage,
                at_round,
                request.model,
                used,
                prices.price_usage(provider, request.model, used, AT).usd,
            )
        )
    return lines


def table(with_cache: list[Line], without: list[Line]) -> str:
    """Both, side by side, in Markdown."""
    rows = [
        "| call | model | input | of it from the cache | output | USD with | USD without |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for cached, plain in zip(with_cache, without, strict=True):
        rows.append(
            f"| {cached.stage} {cached.round} | `{cached.model}` |"
            f" {inputs(cached.usage):,} | {cached.usage.cache_read_tokens:,} |"
            f" {cached.usage.output_tokens + cached.usage.reasoning_tokens:,} |"
            f" {cached.usd:.4f} | {plain.usd:.4f} |"
        )
    total = f"| **flow** | | {sum(inputs(one.usage) for one in with_cache):,} |"
    read = sum(one.usage.cache_read_tokens for one in with_cache)
    total += f" {read:,} | | {usd(with_cache):.4f} | {usd(without):.4f} |"
    return "\n".join([*rows, total])


def inputs(usage: Usage) -> int:
    """All input tokens, cached or not."""
    return (
        usage.input_tokens
        + usage.cache_read_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
    )


def usd(lines: list[Line]) -> Decimal:
    """Of a whole flow."""
    return sum((one.usd for one in lines), Decimal(0))


def measure(name: str, models: dict[str, str]) -> dict[str, Any]:
    """One flow without and one with, before vendors that have cached nothing yet."""
    with run_simulator(echo=False) as urls, ExitStack() as stack:
        adapters = {
            vendor: stack.enter_context(
                closing(registry.ADAPTERS.get(adapter)("k", urls[f"{vendor.upper()}_BASE_URL"]))
            )
            for vendor, adapter in (
                ("anthropic", "anthropic"),
                ("openai", "openai"),
                ("google", "google-genai"),
            )
        }
        without, with_cache = run(models, adapters, stable=False), run(models, adapters, stable=True)
    sys.stdout.write(f"\n{name}\n\n{table(with_cache, without)}\n")
    shares = {}
    for vendor, model in models.items():
        used = [line.usage for line in with_cache if line.model == model]
        read = sum(usage.cache_read_tokens for usage in used)
        shares[f"cache_read_share_{vendor}_{name}"] = round(read / sum(map(inputs, used)), 3)
    return shares | {
        f"usd_with_{name}": str(usd(with_cache)),
        f"usd_without_{name}": str(usd(without)),
        f"cost_with_vs_without_cache_{name}": round(float(usd(with_cache) / usd(without)), 3),
    }


def main() -> None:
    """Measure with the models of the defaults, and with models that all cache."""
    results: dict[str, Any] = {"context_bytes": CONTEXT_BYTES, "calls": len(CALLS)}
    for name, models in MODELS.items():
        results |= measure(name, models)
    write_results("caching", results)


if __name__ == "__main__":
    main()

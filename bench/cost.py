"""Usage payloads of three vendors, priced by us, by genai-prices and by litellm: equal to 1e-9 USD, or explained by name.
And the table of output limits beside litellm's.

Writes ``bench/results/cost.json``. litellm runs in ``bench/.venvs/litellm``, built from ``bench/peers/litellm.txt``.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import genai_prices

from bench import goals
from providers import catalog, prices, usage

BENCH = Path(__file__).resolve().parent
PEER = BENCH / ".venvs" / "litellm"
CLOSE = Decimal("1e-9")
GOALS: goals.Goals = {
    "payloads": (">=", 40),
    "unexplained_differences": ("<=", 0),
    "output_limits_beyond_litellm": ("<=", 0),
}
LONGEST = 32_768  # what the longest stage asks for when it asks again, because its answer was cut off
# Before every change of a model's name by its vendor's shutdown, so that each payload is priced as the model it names.
AT = datetime(2026, 10, 22, tzinfo=UTC)


def peer_python() -> Path:
    """The interpreter of litellm's environment, built where it is missing or its pins have changed."""
    pins, python, mark = BENCH / "peers" / "litellm.txt", PEER / "bin" / "python", PEER / "built-from.txt"
    if mark.exists() and mark.read_bytes() == pins.read_bytes():
        return python
    shutil.rmtree(PEER, ignore_errors=True)
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    if Path(uv).exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(PEER)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(pins)], check=True
        )
    else:
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(pins)], check=True)
    mark.write_bytes(pins.read_bytes())
    return python


def ours(one: Mapping[str, Any]) -> Decimal:
    """By ``providers.usage`` and ``providers.prices``, unrounded: from the snapshot that is stored with a call."""
    used = usage.read_usage(one["provider"], one["raw"])
    units = prices.price_usage(one["provider"], one["model"], used, AT).snapshot["usd_per_million"]
    return sum((Decimal(unit) * getattr(used, part) for part, unit in units.items()), Decimal(0)) / 1_000_000


def by_genai_prices(one: Mapping[str, Any]) -> Decimal:
    """By its own reading of the raw response and its own arithmetic."""
    read = genai_prices.extract_usage(
        one["raw"], provider_id=one["provider"], api_flavor=one.get("flavor", "default")
    )
    return genai_prices.calc_price(
        read.usage, one["model"], provider_id=one["provider"], genai_request_timestamp=AT
    ).total_price


def by_litellm(lines: str) -> tuple[dict[str, Any], list[Decimal | None]]:
    """What litellm says of itself (``version``, ``output_limits``), and a price for each payload; None where it has none."""
    command = [str(peer_python()), str(BENCH / "peers" / "litellm_cost.py")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    first, *answers = [json.loads(line) for line in done.stdout.splitlines()]
    return first, [Decimal(one["usd"]) if "usd" in one else None for one in answers]


def too_long(limits: Mapping[str, int]) -> list[str]:
    """The models of our vendors that we might ask for a longer answer than ``limits`` say they can give."""
    asked = {
        name: catalog.output_limit(name, AT.date()) or LONGEST
        for name in limits
        if catalog.is_vendor_model(name)
    }
    return [
        f"{name}: asked for {most}, writes {limits[name]}"
        for name, most in asked.items()
        if most > limits[name]
    ]


def input_tokens(one: Mapping[str, Any]) -> int:
    """All input of a payload, cached or not."""
    used = usage.read_usage(one["provider"], one["raw"])
    return used.total - used.output_tokens - used.reasoning_tokens


# Name -> (who differs, which payloads). A difference that no name covers is unexplained.
EXPLAINED: dict[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    # The long context of Sonnet 4.5 was a beta that ended on 2026-04-30. genai-prices and we keep its price above 200K
    # tokens for the calls made then; litellm has dropped it and would price them at half.
    "litellm_without_the_ended_long_context_tier_of_sonnet_4_5": (
        "litellm",
        lambda one: one["model"] == "claude-sonnet-4-5" and input_tokens(one) > 200_000,
    ),
}


def explain(who: str, one: Mapping[str, Any]) -> str:
    """The name of the difference between us and a peer, empty if there is none."""
    return next((name for name, (peer, fits) in EXPLAINED.items() if peer == who and fits(one)), "")


def main() -> int:
    """Compare and write; 1 if a difference has no name."""
    lines = (BENCH / "payloads" / "usage.jsonl").read_text(encoding="utf-8")
    payloads = [json.loads(line) for line in lines.splitlines()]
    litellm, litellm_prices = by_litellm(lines)
    beyond = too_long(litellm["output_limits"])
    explained: dict[str, int] = {}
    unexplained: list[str] = []
    for number, (one, theirs) in enumerate(zip(payloads, litellm_prices, strict=True), start=1):
        mine = ours(one)
        for who, usd in (("genai_prices", by_genai_prices(one)), ("litellm", theirs)):
            if usd is not None and abs(mine - usd) <= CLOSE:
                continue
            name = explain(who, one)
            if name:
                explained[name] = explained.get(name, 0) + 1
            else:
                unexplained.append(f"payload {number} ({one['model']}): ours {mine}, {who} {usd}")
    result = {
        "payloads": len(payloads),
        "unexplained_differences": len(unexplained),
        "explained_differences": sum(explained.values()),
        **{f"explained_{name}": count for name, count in sorted(explained.items())},
        "genai_prices_version": version("genai-prices"),
        "output_limits_compared": len(litellm["output_limits"]),
        "output_limits_beyond_litellm": len(beyond),
        "litellm_version": litellm["version"],
    }
    sys.stdout.write("".join(f"{line}\n" for line in (*unexplained, *beyond)))
    goals.write("cost", result)
    return goals.report(result, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())

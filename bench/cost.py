"""Usage payloads of three vendors, priced by us, by genai-prices and by litellm.

Prices are equal to 1e-9 USD, or the difference has a name. The table of output limits is compared with
litellm's. Writes ``bench/results/cost.json``. litellm runs in an environment of its own.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import genai_prices

from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.peer_environments import PeerFailure, require_python, takes_part
from providers import catalog, prices, usage

BENCH = Path(__file__).resolve().parent
CLOSE = Decimal("1e-9")
GOALS: Goals = {
    "payloads": at_least(40, exact=True),
    "unexplained_differences": at_most(0, exact=True),
    "output_limits_beyond_litellm": at_most(0),
}
# What the longest stage asks for when it asks again, because its answer was cut off.
LONGEST = 32_768
# Vendors give an old name to another model when they shut its model down. At this time none had done so, and
# each payload is priced as the model that it names.
AT = datetime(2026, 10, 22, tzinfo=UTC)

Payload = Mapping[str, Any]


def price_ours(payload: Payload) -> Decimal:
    """Our price, unrounded: from the snapshot of unit prices that is stored with a call."""
    used = usage.read_usage(payload["provider"], payload["raw"])
    units = prices.price_usage(payload["provider"], payload["model"], used, AT).snapshot["usd_per_million"]
    parts = (Decimal(unit) * getattr(used, part) for part, unit in units.items())
    return sum(parts, Decimal(0)) / 1_000_000


def price_by_genai_prices(payload: Payload) -> Decimal:
    """The price of genai-prices, by its own reading of the raw response and its own arithmetic."""
    read = genai_prices.extract_usage(
        payload["raw"], provider_id=payload["provider"], api_flavor=payload.get("flavor", "default")
    )
    price = genai_prices.calc_price(
        read.usage, payload["model"], provider_id=payload["provider"], genai_request_timestamp=AT
    )
    return price.total_price


def ask_litellm(lines: str) -> tuple[dict[str, Any], list[Decimal | None]]:
    """What litellm says of itself (``version``, ``output_limits``), and its price of each payload; None for
    none.
    """
    command = [str(require_python("litellm")), str(BENCH / "peers" / "litellm_cost.py")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    first, *answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(lines.splitlines()) or not first["output_limits"]:
        raise PeerFailure(f"litellm answered {len(answers)} payloads and knows no limits")
    return first, [Decimal(answer["usd"]) if "usd" in answer else None for answer in answers]


def list_models_beyond(limits: Mapping[str, int]) -> list[str]:
    """The models of our vendors that we may ask for a longer answer than ``limits`` say they can give."""
    found = []
    for name, limit in limits.items():
        if not catalog.is_vendor_model(name):
            continue
        asked = catalog.output_limit(name, AT.date()) or LONGEST
        if asked > limit:
            found.append(f"{name}: asked for {asked}, writes {limit}")
    return found


def count_input_tokens(payload: Payload) -> int:
    """All input of a payload, cached or not."""
    used = usage.read_usage(payload["provider"], payload["raw"])
    return used.total - used.output_tokens - used.reasoning_tokens


def _is_long_sonnet(payload: Payload) -> bool:
    return payload["model"] == "claude-sonnet-4-5" and count_input_tokens(payload) > 200_000


# Name -> (the peer that differs, which payloads). A difference that no name covers is unexplained.
EXPLAINED: dict[str, tuple[str, Callable[[Payload], bool]]] = {
    # The long context of Sonnet 4.5 was a beta that ended on 2026-04-30. genai-prices and we keep its price
    # above 200K tokens for the calls made then; litellm has dropped it and would price them at half.
    "litellm_without_the_ended_long_context_tier_of_sonnet_4_5": ("litellm", _is_long_sonnet),
}


def name_difference(peer: str, payload: Payload) -> str:
    """The name of the known difference between us and a peer, empty if there is none."""
    for name, (differing, covers) in EXPLAINED.items():
        if differing == peer and covers(payload):
            return name
    return ""


def compare_prices(
    payloads: list[Payload], litellm_prices: list[Decimal | None] | None
) -> tuple[Counter[str], list[str]]:
    """How often each named difference occurs, and a line for each difference without a name."""
    explained: Counter[str] = Counter()
    unexplained: list[str] = []
    for number, payload in enumerate(payloads):
        ours = price_ours(payload)
        theirs: dict[str, Decimal | None] = {"genai_prices": price_by_genai_prices(payload)}
        if litellm_prices is not None:
            theirs["litellm"] = litellm_prices[number]
        for peer, usd in theirs.items():
            if usd is not None and abs(ours - usd) <= CLOSE:
                continue
            if name := name_difference(peer, payload):
                explained[name] += 1
            else:
                unexplained.append(f"payload {number + 1} ({payload['model']}): ours {ours}, {peer} {usd}")
    return explained, unexplained


def main() -> int:
    """Compare, write ``results/cost.json``; 1 if a difference has no name."""
    lines = (BENCH / "payloads" / "usage.jsonl").read_text(encoding="utf-8")
    payloads = [json.loads(line) for line in lines.splitlines()]
    litellm_figures: dict[str, Any] = {}
    litellm_prices: list[Decimal | None] | None = None
    beyond: list[str] = []
    if takes_part("litellm"):
        litellm, litellm_prices = ask_litellm(lines)
        beyond = list_models_beyond(litellm["output_limits"])
        litellm_figures = {
            "output_limits_compared": len(litellm["output_limits"]),
            "output_limits_beyond_litellm": len(beyond),
            "litellm_version": litellm["version"],
        }
    explained, unexplained = compare_prices(payloads, litellm_prices)
    result = {
        "payloads": len(payloads),
        "unexplained_differences": len(unexplained),
        "explained_differences": explained.total(),
        **{f"explained_{name}": count for name, count in sorted(explained.items())},
        "genai_prices_version": version("genai-prices"),
        **litellm_figures,
    }
    for line in (*unexplained, *beyond):
        sys.stdout.write(f"{line}\n")
    write_results("cost", result)
    return judge_results(result, GOALS)


if __name__ == "__main__":
    sys.exit(main())

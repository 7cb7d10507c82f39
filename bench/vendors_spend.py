"""Calls that are broken off before they say what they used, and what the ledger charges for them.

Runs in a process of its own, because it needs Django and a database. Prints one line of JSON.
"""

import json
import os
import sys
import threading
import time
from typing import Final

import django

from bench.simulated import read_counters, set_behaviour

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from providers import registry  # noqa: E402 - models can be imported only now
from providers.abort import Abort, Aborted, allow_abort  # noqa: E402
from providers.base import ProviderError, Request  # noqa: E402
from providers.calls import Caller, call_model  # noqa: E402
from providers.models import ProviderState  # noqa: E402

MODELS: Final = {"anthropic": "claude-opus-4-5", "openai": "gpt-4.1", "google": "gemini-2.5-flash"}
CONTEXT_BYTES: Final = 180_000
_LINE: Final = "def total(values: list[int]) -> int:  # of line {}\n"


def measure_provider(urls: dict[str, str], provider: str) -> float:
    """Break off a call while its vendor is silent; charged tokens divided by the vendor's own count."""
    text = "".join(_LINE.format(number) for number in range(CONTEXT_BYTES))[:CONTEXT_BYTES]
    request = Request(MODELS[provider], "Be brief.", "Say something.", 4096, 60, stable=text)
    counted = registry.get_adapter(provider).count_tokens(request)
    set_behaviour(urls, provider, {"faults": [{"kind": "hang", "seconds": 30}]})
    abort = Abort()

    def call() -> None:
        with allow_abort(abort):
            try:
                call_model(provider, request, Caller(repo="bench"))
            except (ProviderError, Aborted) as error:
                sys.stderr.write(f"{provider}: {type(error).__name__}\n")

    worker = threading.Thread(target=call)
    worker.start()
    while read_counters(urls, provider).get("in_flight", 0) == 0:
        time.sleep(0.01)
    abort.now()
    worker.join()
    return float(ProviderState.objects.get(provider=provider).day_tokens / counted)


def run(control: str) -> None:
    """Measure each provider and print the furthest from 1 on either side."""
    found = {name: measure_provider({"control": control}, name) for name in MODELS}
    print(  # noqa: T201 - the line that the benchmark reads
        json.dumps(
            {
                "unknown_spend_vs_counted": round(max(found.values()), 3),
                "unknown_spend_vs_counted_least": round(min(found.values()), 3),
                **{f"unknown_spend_vs_counted_{name}": round(value, 3) for name, value in found.items()},
            }
        )
    )


if __name__ == "__main__":
    run(sys.argv[1])

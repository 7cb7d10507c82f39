"""``python -m bench.vendors``: the product before vendors as strict as the real ones.

Every error that vendors really send, through the vendor's SDK: does it become the right error, for the right
people, with a wait that is bounded? What do caches save where a hit needs the same model, schema and
breakpoint, and a write costs? What is a call charged that was cancelled before it said what it used, against
the vendor's own count? When do people see the first words of an answer of a model that thinks? Writes
``results/vendors.json``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench import caching, engine_arms
from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.private_postgres import run_durable_postgres
from bench.scale import choose_size
from bench.simulated import run_simulator, set_behaviour
from orchestrator.dev import embedded
from providers import registry
from providers.base import (
    AccountExhausted,
    AccountRestricted,
    Adapter,
    AnswerMissing,
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    NetworkPathFailed,
    Overloaded,
    ProviderError,
    RateLimited,
    Request,
    RequestTooLarge,
    ServerFailed,
    UnknownModel,
)
from providers.simulator.zoo import ZOO
from providers.waits import LONGEST_WAIT_SECONDS

ADAPTERS: Final = {"anthropic": "anthropic", "openai": "openai", "google": "google-genai"}
# The models that answer from the day on which those of the defaults are retired.
MODELS: Final = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-5.6-sol", "google": "gemini-3.8-flash"}
# The name that bench.caching gives these models.
CACHING_MODELS: Final = "default"
CHAT_MODELS: Final = {**MODELS, "openai": "gpt-4.1"}
AT: Final = datetime(2026, 12, 2, tzinfo=UTC)
EXPECTED: Final[Mapping[str, type[ProviderError]]] = {
    "credit-balance-too-low": AccountExhausted,
    "spend-limit-reached": AccountExhausted,
    "insufficient-quota": AccountExhausted,
    "billing-hard-limit": AccountExhausted,
    "prepayment-depleted": AccountExhausted,
    "limit-zero": AccountExhausted,
    "prompt-too-long": ContextTooLong,
    "context-length-exceeded": ContextTooLong,
    "input-tokens-exceeded": ContextTooLong,
    "extra-usage-required": RequestTooLarge,
    "request-too-large": RequestTooLarge,
    "body-too-large": ContextTooLong,
    "rate-limited": RateLimited,
    "wait-in-the-text": RateLimited,
    "reset-in-milliseconds": RateLimited,
    "day-quota-without-wait": RateLimited,
    "retry-after-zero": RateLimited,
    "retry-after-infinite": RateLimited,
    "retry-after-huge": RateLimited,
    "retry-after-in-years": RateLimited,
    "retry-delay-zero": RateLimited,
    "overloaded": Overloaded,
    "overloaded-500": Overloaded,
    "model-overloaded": Overloaded,
    "location-not-supported": AccountRestricted,
    "key-leaked": AuthenticationFailed,
    "account-deactivated": AccountRestricted,
    "model-retired": UnknownModel,
    "content-filter-400": ContentFiltered,
    "error-inside-429": RateLimited,
    "error-inside-402": AccountExhausted,
    "error-inside-502": ServerFailed,
    "stop-without-content": AnswerMissing,
    "stop-other": AnswerMissing,
    "malformed-function-call": AnswerMissing,
    "cdn-challenge": NetworkPathFailed,
    "login-redirect": NetworkPathFailed,
    "proxy-login": NetworkPathFailed,
    "captive-portal": NetworkPathFailed,
    "bad-gateway": ServerFailed,
    "text-that-cannot-be-stored": ServerFailed,
}
_MONTHS_SECONDS: Final = 62 * 86_400.0
# Tokens a second that current models write; the thoughts of a low effort take four seconds at that.
PACE: Final = choose_size(full=140, small=5000)
GOALS: Goals = {
    "wrong_error_rows": at_most(0, exact=True),
    "cost_with_vs_without_cache": at_most(0.9),
    "unknown_spend_vs_counted": at_most(1.1),
    "unknown_spend_vs_counted_least": at_least(0.9),
}


def main() -> int:
    """Measure and write; 1 if a goal was missed."""
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        urls = stack.enter_context(run_simulator())
        adapters = {name: stack.enter_context(closing(build(name, urls))) for name in ADAPTERS}
        results |= measure_errors(urls, adapters)
        results |= measure_first_progress(urls, adapters)
    results |= measure_caches()
    results |= measure_unknown_spend()
    write_results("vendors", results)
    return judge_results(results, GOALS)


def build(provider: str, urls: Mapping[str, str]) -> Adapter:
    """The product's adapter before a simulated vendor."""
    adapter: Adapter = registry.ADAPTERS.get(ADAPTERS[provider])("k", urls[f"{provider.upper()}_BASE_URL"])
    return adapter


def measure_errors(urls: Mapping[str, str], adapters: Mapping[str, Adapter]) -> dict[str, Any]:
    """Every row of every vendor: how many became what they mean."""
    rows = [(name, vendor) for name, answer in ZOO.items() for vendor in answer.vendors]
    wrong = [fault for name, vendor in rows if (fault := find_fault(urls, adapters[vendor], name, vendor))]
    sys.stdout.writelines(f"wrong {line}\n" for line in wrong)
    return {
        "error_rows": len(rows),
        "error_rows_right": len(rows) - len(wrong),
        "wrong_error_rows": len(wrong),
    }


def find_fault(urls: Mapping[str, str], adapter: Adapter, name: str, vendor: str) -> str:
    """What is wrong with the outcome of one row; empty where nothing is."""
    set_behaviour(urls, vendor, {"faults": [{"kind": name, "times": 1}]})
    asked = Request(CHAT_MODELS[vendor], "Be brief.", "Say something.", 4096, 20)
    try:
        adapter.complete(asked)
    except ProviderError as error:
        wait = error.retry_after_seconds
        if type(error) is not EXPECTED[name]:
            return f"{vendor} {name}: {type(error).__name__}, not {EXPECTED[name].__name__}"
        # A spending limit ends on the day that the vendor names, next month at the latest.
        longest = _MONTHS_SECONDS if isinstance(error, AccountExhausted) else LONGEST_WAIT_SECONDS
        if wait is not None and not 0 < wait <= longest:
            return f"{vendor} {name}: a wait of {wait} s"
        return "" if str(error).isprintable() else f"{vendor} {name}: a text that cannot be shown"
    except Exception as error:  # noqa: BLE001 - an error without a type of the product is what is looked for
        return f"{vendor} {name}: untyped {type(error).__name__}"
    return f"{vendor} {name}: taken for an answer"


def measure_first_progress(urls: Mapping[str, str], adapters: Mapping[str, Adapter]) -> dict[str, Any]:
    """How soon a person sees words of an answer, of models that think first and make ``PACE`` tokens a
    second.
    """
    seconds = {}
    for name, adapter in adapters.items():
        set_behaviour(urls, name, {"pace": PACE})
        seen: list[float] = []
        asked = Request(
            MODELS[name],
            "Be brief.",
            "Say something.",
            4096,
            120,
            effort="low",
            note_text=lambda _, seen=seen: seen.append(time.monotonic()),  # type: ignore[misc]
        )
        started = time.monotonic()
        adapter.complete(asked)
        seconds[name] = round(seen[0] - started, 2)
    return {
        "stream_first_progress_s": max(seconds.values()),
        **{f"stream_first_progress_s_{name}": value for name, value in seconds.items()},
    }


def measure_caches() -> dict[str, Any]:
    """What the caches save, by ``caching``: the successors of the default models, which all cache."""
    results = caching.measure(CACHING_MODELS, caching.MODELS[CACHING_MODELS])
    shares = {name: results[f"cache_read_share_{name}_{CACHING_MODELS}"] for name in ADAPTERS}
    return {
        "cost_with_vs_without_cache": results[f"cost_with_vs_without_cache_{CACHING_MODELS}"],
        "cache_read_share": min(shares.values()),
        **{f"cache_read_share_{name}": share for name, share in shares.items()},
    }


def measure_unknown_spend() -> dict[str, Any]:
    """What calls are charged that were broken off, against the vendors' own counts, by ``vendors_spend``."""
    with (
        run_durable_postgres() as server,
        embedded.run_valkey() as cache,
        tempfile.TemporaryDirectory() as folder,
        run_simulator() as urls,
    ):
        database = engine_arms.Servers(server.url, cache, Path(folder)).require_migrated_database("vendors")
        environment = {
            "DATABASE_URL": database,
            "REDIS_URL": cache,
            "SECRET_KEY": "bench",
            **{name: url for name, url in urls.items() if name != "control"},
            **{f"{name.upper()}_API_KEY": "k" for name in ADAPTERS},
        }
        command = [sys.executable, "-m", "bench.vendors_spend", urls["control"]]
        done = subprocess.run(
            command, env=os.environ | environment, check=True, capture_output=True, text=True
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    raise SystemExit(main())

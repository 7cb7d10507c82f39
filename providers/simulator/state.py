"""What the simulator knows while it runs: behaviours, counters, a log without contents, and the vendors'
prefix caches.
"""

import hashlib
import itertools
import threading
import time
from collections import Counter, deque
from dataclasses import asdict
from typing import Any, Final

from providers.simulator.behaviour import PROVIDERS, Behaviour, Fault
from providers.simulator.scenarios import ScenarioLibrary

# The vendors' own: shorter prefixes are not cached.
MIN_CACHED_TOKENS: Final = 1024
_BLOCK: Final = 512
_TTL_SECONDS: Final = 300.0


def count_tokens(text: str) -> int:
    """Estimate what a tokenizer counts; never more than the bytes."""
    return -(-len(text.encode()) // 4)


class SimulatorState:
    """Shared by all threads; every change happens under one lock."""

    def __init__(self, library: ScenarioLibrary, *, echo: bool = False) -> None:
        self.library, self.echo = library, echo
        self._let_go = threading.Event()
        self._lock = threading.Lock()
        self._behaviours = {provider: Behaviour() for provider in PROVIDERS}
        self._ids = itertools.count(1)
        self._clear()

    def _clear(self) -> None:
        # Requests under way end after the reset, and their decrement must find their increment.
        flying = {
            provider: counter["in_flight"] for provider, counter in getattr(self, "_counters", {}).items()
        }
        self._counters: dict[str, Counter[str]] = {
            provider: Counter(in_flight=flying.get(provider, 0)) for provider in PROVIDERS
        }
        self._shown: dict[str, Counter[int]] = {provider: Counter() for provider in PROVIDERS}
        self._since: dict[str, int] = dict.fromkeys(PROVIDERS, 0)
        self._log: deque[dict[str, Any]] = deque(maxlen=20_000)
        self._cache: dict[str, float] = {}

    def set_behaviour(self, provider: str, behaviour: Behaviour) -> None:
        """Set how ``provider`` behaves from the next request on."""
        if provider not in PROVIDERS:
            raise ValueError(f"provider {provider!r}: one of {', '.join(PROVIDERS)}")
        with self._lock:
            self._behaviours[provider] = behaviour
            self._shown[provider].clear()
            self._since[provider] = self._counters[provider]["requests"]

    def reset(self) -> None:
        """Forget counters, log, caches and behaviours; requests that hang are let go."""
        with self._lock:
            # Waiting requests hold the old event; new ones wait for the new one.
            self._let_go.set()
            self._let_go = threading.Event()
            self._behaviours = {provider: Behaviour() for provider in PROVIDERS}
            self._clear()

    def wait(self, seconds: float) -> bool:
        """Wait; true when a reset or the end of the server cut it short."""
        return self._let_go.wait(seconds)

    def stop(self) -> None:
        """Let every waiting request go, for good."""
        self._let_go.set()

    def start_request(self, provider: str) -> tuple[int, Behaviour, Fault | None]:
        """Count a request that generates; its id, the behaviour, and the fault that hits it."""
        with self._lock:
            counter, behaviour = self._counters[provider], self._behaviours[provider]
            # Counted from the last change of behaviour, so that "the first 3" means the next 3.
            number = counter["requests"] - self._since[provider]
            counter["requests"] += 1
            counter["in_flight"] += 1
            counter["max_in_flight"] = max(counter["max_in_flight"], counter["in_flight"])
            for index, fault in enumerate(behaviour.faults):
                if fault.hits_request(number, self._shown[provider][index]):
                    self._shown[provider][index] += 1
                    counter[f"fault_{fault.kind}"] += 1
                    return next(self._ids), behaviour, fault
            # Ids only grow, also over a reset: an answer's id is unique in a run.
            return next(self._ids), behaviour, None

    def end_request(self, provider: str, entry: dict[str, Any]) -> None:
        """End a request: ``entry`` goes to the log, its status and tokens to the counters."""
        with self._lock:
            counter = self._counters[provider]
            counter["in_flight"] -= 1
            counter[f"status_{entry['status']}"] += 1
            counter["tokens"] += entry.get("input_tokens", 0) + entry.get("output_tokens", 0)
            self._log.append(entry)

    def record_token_count(self, provider: str) -> None:
        """Count a request for a token count, which is free and generates nothing."""
        with self._lock:
            self._counters[provider]["token_counts"] += 1

    def build_report(self) -> dict[str, Any]:
        """Return counters and behaviours by provider, and the scenarios, as JSON."""
        with self._lock:
            return {
                "counters": {provider: dict(counter) for provider, counter in self._counters.items()},
                "behaviours": {
                    provider: asdict(behaviour) for provider, behaviour in self._behaviours.items()
                },
                "echo": self.echo,
                "samples": self.library.list_titles(),
            }

    def read_log(self) -> list[dict[str, Any]]:
        """Return what arrived, oldest first, without contents and secrets."""
        with self._lock:
            return list(self._log)

    def read_cached_tokens(self, scope: str, prefix: str, *, ttl: float = _TTL_SECONDS) -> int:
        """Tokens of the longest known prefix of ``prefix``; the whole of it is known from now on (automatic
        caching).
        """
        # Prefixes are compared in blocks of 512 bytes by a running hash, as vendors do in blocks of tokens.
        digest, now, hit = hashlib.sha256(scope.encode()), time.monotonic(), 0
        body = prefix.encode()
        with self._lock:
            for end in range(_BLOCK, len(body) + 1, _BLOCK):
                digest.update(body[end - _BLOCK : end])
                key = digest.hexdigest()
                if self._cache.get(key, 0.0) > now and hit == end - _BLOCK:
                    hit = end
                self._cache[key] = now + ttl
        found = hit // 4
        return found if found >= MIN_CACHED_TOKENS else 0

    def mark_breakpoint(self, scope: str, prefix: str, ttl: float) -> bool:
        """Mark ``prefix`` for caching, as Anthropic does; return whether it was marked and is still there."""
        key = hashlib.sha256(f"{scope}\0{prefix}".encode()).hexdigest()
        now = time.monotonic()
        with self._lock:
            known = self._cache.get(key, 0.0) > now
            self._cache[key] = now + ttl
        return known

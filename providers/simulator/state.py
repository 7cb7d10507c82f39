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
from providers.simulator.wires.base import CachePlan, count_bytes
from providers.simulator.zoo import ZOO

# Automatic caches compare prefixes in steps of 128 tokens, and keep them for some minutes.
_STEP_BYTES: Final = 512
_AUTOMATIC_SECONDS: Final = 300.0


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
        # Of each written prefix: when it ends, and for how many seconds it was written.
        self._cache: dict[str, tuple[float, float]] = {}

    def set_behaviour(self, provider: str, behaviour: Behaviour) -> None:
        """Set how ``provider`` behaves from the next request on."""
        if provider not in PROVIDERS:
            raise ValueError(f"provider {provider!r}: one of {', '.join(PROVIDERS)}")
        for fault in behaviour.faults:
            if fault.kind in ZOO and provider not in ZOO[fault.kind].vendors:
                raise ValueError(
                    f"fault kind {fault.kind!r}: only {', '.join(ZOO[fault.kind].vendors)} send it"
                )
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

    def start_request(
        self, provider: str, model: str = "", stage: str = ""
    ) -> tuple[int, Behaviour, Fault | None]:
        """Count a request that generates; its id, the behaviour, and the fault that hits it."""
        with self._lock:
            counter, behaviour = self._counters[provider], self._behaviours[provider]
            # Counted from the last change of behaviour, so that "the first 3" means the next 3.
            number = counter["requests"] - self._since[provider]
            counter["requests"] += 1
            counter["in_flight"] += 1
            counter["max_in_flight"] = max(counter["max_in_flight"], counter["in_flight"])
            for index, fault in enumerate(behaviour.faults):
                if not fault.concerns(model, stage):
                    continue
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

    def use_cache(self, plan: CachePlan, least: int, density: float) -> tuple[int, dict[float, int]]:
        """Return the tokens read from the cache, and those written to it by the seconds that they live.

        ``least`` is the smallest prefix in tokens that is cached at all.
        """
        with self._lock:
            if plan.automatic:
                return self._read_automatic(plan, least, density), {}
            return self._use_breakpoints(plan, least, density)

    def _use_breakpoints(self, plan: CachePlan, least: int, density: float) -> tuple[int, dict[float, int]]:
        digest, size, now = hashlib.sha256(plan.scope.encode()), 0, time.monotonic()
        lives, read, found = dict(plan.writes), 0, ""
        waiting: list[tuple[str, int, float]] = []
        for place, block in enumerate(plan.blocks):
            digest.update(f"{len(block)}\0{block}".encode())
            size += len(block.encode())
            key, tokens = digest.hexdigest(), count_bytes(size, density)
            # Too short to be cached, as at the vendor: it is billed as plain input.
            if tokens < least:
                continue
            if place in plan.reads and self._cache.get(key, (0.0, 0.0))[0] > now:
                # A hit covers every earlier breakpoint, whose writes are then not billed.
                read, found, waiting = tokens, key, []
            elif place in lives:
                waiting.append((key, tokens, lives[place]))
        if found:
            # A use renews the life that the entry was written with.
            life = self._cache[found][1]
            self._cache[found] = (now + life, life)
        written: dict[float, int] = {}
        done = read
        for key, tokens, life in waiting:
            self._cache[key] = (now + life, life)
            written[life] = written.get(life, 0) + tokens - done
            done = tokens
        return read, written

    def _read_automatic(self, plan: CachePlan, least: int, density: float) -> int:
        """Find the longest known prefix; the whole prompt is known from now on, and nobody pays for that."""
        digest, now, hit = hashlib.sha256(plan.scope.encode()), time.monotonic(), 0
        body = "".join(plan.blocks).encode()
        for end in range(_STEP_BYTES, len(body) + 1, _STEP_BYTES):
            digest.update(body[end - _STEP_BYTES : end])
            key = digest.hexdigest()
            if self._cache.get(key, (0.0, 0.0))[0] > now and hit == end - _STEP_BYTES:
                hit = end
            self._cache[key] = (now + _AUTOMATIC_SECONDS, _AUTOMATIC_SECONDS)
        found = int(hit * density / 4)
        return found if found >= least else 0

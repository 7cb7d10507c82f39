"""Whose cache hits when, and what a write costs: by breakpoint, model, schema, size and time."""

from pathlib import Path
from typing import Any

import pytest

from providers.simulator import state as state_module
from providers.simulator.scenarios import ScenarioLibrary
from providers.simulator.state import SimulatorState
from providers.simulator.wires.anthropic import AnthropicWire
from providers.simulator.wires.google import GoogleWire
from providers.simulator.wires.openai import OpenAIWire

LONG = "def function(): return 1\n" * 1000
MINUTES, HOUR = 300.0, 3600.0
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
OTHER = {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": False}


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(state_module, "time", made)
    return made


@pytest.fixture
def state(clock: Clock, tmp_path: Path) -> SimulatorState:
    return SimulatorState(ScenarioLibrary(tmp_path), echo=True)


def claude(
    state: SimulatorState,
    ask: str,
    *,
    model: str = "claude-sonnet-5-5",
    system: str = LONG,
    schema: object = None,
    ttl: str = "5m",
) -> tuple[int, dict[float, int]]:
    block = {"type": "text", "text": system, "cache_control": {"type": "ephemeral", "ttl": ttl}}
    body = {
        "model": model,
        "max_tokens": 100,
        "system": [block],
        "messages": [{"role": "user", "content": ask}],
    }
    if schema:
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    asked = AnthropicWire().read_question("/v1/messages", headers, body)
    return state.use_cache(asked.cache, asked.facts.cached_from, asked.facts.density)


def test_claude_reads_what_it_wrote_before_the_same_mark(state: SimulatorState) -> None:
    read, written = claude(state, "one")
    assert (read, list(written)) == (0, [MINUTES])
    assert claude(state, "two") == (written[MINUTES], {})


def test_another_model_or_schema_is_another_cache(state: SimulatorState) -> None:
    claude(state, "one", schema=SCHEMA)
    assert claude(state, "one", schema=OTHER)[0] == 0
    assert claude(state, "one", schema=SCHEMA, model="claude-sonnet-5")[0] == 0
    assert claude(state, "one", schema=SCHEMA)[0] > 0


def test_a_short_prefix_is_not_cached(state: SimulatorState) -> None:
    # 1,560 tokens: enough for Sonnet 5.5, which caches from 512 on, and not for Opus 4.5.
    for model, cached in (("claude-sonnet-5-5", True), ("claude-opus-4-5", False)):
        claude(state, "one", system=LONG[:4800], model=model)
        assert (claude(state, "two", system=LONG[:4800], model=model)[0] > 0) is cached


def test_an_entry_lives_as_long_as_it_was_written_for_and_a_use_renews_it(
    state: SimulatorState, clock: Clock
) -> None:
    claude(state, "one")
    clock.now += MINUTES - 1
    assert claude(state, "two")[0] > 0
    clock.now += MINUTES - 1
    assert claude(state, "three")[0] > 0
    clock.now += MINUTES + 1
    read, written = claude(state, "four", ttl="1h")
    assert (read, list(written)) == (0, [HOUR])
    clock.now += HOUR - 1
    assert claude(state, "five", ttl="1h")[0] > 0


def respond(
    state: SimulatorState, ask: str, *, marked: bool, model: str = "gpt-5.6-sol", **more: object
) -> tuple[int, dict[float, int]]:
    part = {"type": "input_text", "text": LONG}
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}} if marked else {}
    stable = {"role": "developer", "content": [part | mark]}
    body = {"model": model, "input": [stable, {"role": "user", "content": ask}], **more}
    asked = OpenAIWire().read_question("/v1/responses", {"authorization": "Bearer k"}, body)
    return state.use_cache(asked.cache, asked.facts.cached_from, asked.facts.density)


def test_gpt_writes_at_the_end_of_the_newest_message_and_reads_only_there(state: SimulatorState) -> None:
    """A question that differs each time pays for a write each time and reads nothing."""
    for ask in ("one", "two"):
        read, written = respond(state, ask, marked=False)
        assert read == 0
        assert sum(written.values()) > 6000
    assert respond(state, "two", marked=False)[0] > 6000


def test_gpt_reads_behind_an_explicit_breakpoint(state: SimulatorState) -> None:
    explicit: Any = {"prompt_cache_options": {"mode": "explicit"}}
    read, written = respond(state, "one", marked=True, **explicit)
    assert read == 0
    assert respond(state, "two", marked=True, **explicit) == (sum(written.values()), {})
    assert respond(state, "three", marked=True, prompt_cache_key="another", **explicit)[0] == 0


def test_older_gpt_finds_the_longest_prefix_and_charges_no_write(state: SimulatorState) -> None:
    assert respond(state, "one", marked=False, model="gpt-5.5") == (0, {})
    read, written = respond(state, "two", marked=False, model="gpt-5.5")
    assert (read > 6000, written) == (True, {})


def test_gemini_finds_the_longest_prefix(state: SimulatorState, clock: Clock) -> None:
    def ask(question: str) -> tuple[int, dict[float, int]]:
        body = {
            "systemInstruction": {"parts": [{"text": LONG}]},
            "contents": [{"parts": [{"text": question}]}],
        }
        path = "/v1/models/gemini-3.8-flash:generateContent"
        asked = GoogleWire().read_question(path, {"x-goog-api-key": "k"}, body)
        return state.use_cache(asked.cache, asked.facts.cached_from, asked.facts.density)

    assert ask("one") == (0, {})
    assert ask("two")[0] > 6000
    clock.now += HOUR
    assert ask("three")[0] == 0

"""What every adapter promises, checked against the vendors' real SDKs over HTTP.

``CONFORMANCE_ADAPTERS`` names other adapters than the default ones: google-generativeai lives in an
environment of its own and is run by ``test_google_generativeai.py``.
"""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from providers import base, registry, usage
from providers.base import Adapter, Request, StopReason
from providers.simulator.model_facts import find_facts
from providers.simulator.wires.base import count_tokens
from tests.providers.simulated import Simulated

DEFAULT = [name for name in registry.ADAPTERS if name != "google-generativeai"]
NAMES = os.environ.get("CONFORMANCE_ADAPTERS", ",".join(DEFAULT)).split(",")
MODELS = {
    "anthropic": ["claude-sonnet-4-5"],
    "openai": ["gpt-4.1", "gpt-4-turbo"],
    "compatible": ["gpt-4.1"],
    "google-genai": ["gemini-pro"],
    "google-generativeai": ["gemini-pro"],
}
CASES = [(name, model) for name in NAMES for model in MODELS[name]]
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string"}},
    "required": ["verdict"],
    "additionalProperties": False,
}


@pytest.fixture(params=CASES, ids=[f"{name}:{model}" for name, model in CASES])
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


def build(name: str, simulator: Simulated, key: str = "k", url: str = "") -> Adapter:
    provider = "openai" if name == "compatible" else name.split("-")[0]
    # A compatible server has a name of its own; this one takes that of the simulated vendor.
    own_name = (provider,) if name == "compatible" else ()
    return registry.ADAPTERS.get(name)(key, url or simulator.urls[f"{provider.upper()}_BASE_URL"], *own_name)


@pytest.fixture
def adapter(case: tuple[str, str], simulator: Simulated) -> Iterator[Adapter]:
    with closing(build(case[0], simulator)) as built:
        yield built


@pytest.fixture
def ask(case: tuple[str, str]) -> Request:
    return Request(
        model=case[1],
        system="Be brief.",
        prompt="Say something.",
        # The successors think before they write, and what they think counts.
        max_output_tokens=4096,
        timeout_seconds=20,
    )


def test_a_plain_question_is_answered(adapter: Adapter, ask: Request, simulator: Simulated) -> None:
    answer = adapter.complete(ask)
    assert answer.text == "simulated answer"
    assert answer.stop_reason is StopReason.END
    # A successor answers from its date on, and newer models cut the same text into more tokens.
    facts = find_facts(adapter.name, answer.model)
    assert facts is not None
    assert answer.usage.output_tokens == count_tokens("simulated answer", facts.density)
    assert 0 < answer.usage.input_tokens <= adapter.request_bytes(ask)
    assert answer.request_id.startswith("simulated") or adapter.name == "google"
    assert usage.read_usage(adapter.name, answer.raw) == answer.usage
    assert simulator.requests(adapter.name) == 1


def test_a_json_schema_travels_with_the_question(adapter: Adapter, ask: Request) -> None:
    answer = adapter.complete(replace(ask, json_schema=SCHEMA))
    assert answer.stop_reason is StopReason.END


def test_the_second_call_with_the_same_stable_part_reads_the_cache(adapter: Adapter, ask: Request) -> None:
    stable = "".join(f"def function_{number}(): return {number}\n" for number in range(900))
    other = {**SCHEMA, "properties": {"verdict": {"type": "string"}, "summary": {"type": "string"}}}
    # Stages differ in their system text and in their schema; neither may be a part of the key.
    first = adapter.complete(replace(ask, stable=stable, json_schema=SCHEMA)).usage
    second = adapter.complete(
        replace(ask, stable=stable, system="Be long.", prompt="Another question.", json_schema=other)
    ).usage
    assert first.cache_read_tokens == 0
    assert second.cache_read_tokens >= 1024
    assert second.cache_write_5m_tokens == 0
    assert second.total == pytest.approx(first.total, abs=40)
    if first.cache_write_5m_tokens:
        assert first.cache_write_5m_tokens == second.cache_read_tokens


def test_a_call_without_a_stable_part_writes_no_cache(adapter: Adapter, ask: Request) -> None:
    asked = replace(ask, prompt="Say something. " * 2000)
    for _ in range(2):
        assert adapter.complete(asked).usage.cache_write_5m_tokens == 0


def test_tokens_are_counted_by_the_provider_and_within_the_bound(
    adapter: Adapter, ask: Request, simulator: Simulated
) -> None:
    longer = replace(ask, stable="Контекст " * 500, json_schema=SCHEMA)
    assert 0 < adapter.count_tokens(longer) <= adapter.request_bytes(longer)
    assert simulator.requests(adapter.name) == 0
    assert simulator.call("GET")["counters"][adapter.name]["token_counts"] == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, base.BadRequest),
        (401, base.AuthenticationFailed),
        (402, base.AccountExhausted),
        (403, base.AuthenticationFailed),
        (404, base.UnknownModel),
        (413, base.ContextTooLong),
        (422, base.BadRequest),
        (429, base.RateLimited),
        (500, base.ServerFailed),
        (502, base.ServerFailed),
        (503, base.Overloaded),
        (504, base.TimedOut),
        (529, base.Overloaded),
    ],
)
def test_each_status_is_its_own_error_and_one_request(
    adapter: Adapter, ask: Request, simulator: Simulated, status: int, error: type[base.ProviderError]
) -> None:
    simulator.behave(adapter.name, {"kind": "status", "status": status})
    with pytest.raises(base.ProviderError) as caught:
        adapter.complete(ask)
    assert type(caught.value) is error
    assert caught.value.provider == adapter.name
    assert simulator.requests(adapter.name) == 1


@pytest.mark.parametrize("style", ["header", "ms", "date", "body", "reset"])
def test_a_rate_limit_says_when_to_come_back(
    adapter: Adapter, ask: Request, simulator: Simulated, style: str
) -> None:
    fault = {"kind": "rate_limit", "retry_after": 17, "retry_after_style": style}
    simulator.behave(adapter.name, fault)
    with pytest.raises(base.RateLimited) as caught:
        adapter.complete(ask)
    said = (style != "body" or adapter.name == "google") and (style != "reset" or adapter.name != "google")
    if said:
        assert caught.value.retry_after_seconds == pytest.approx(17, abs=2)
    else:
        assert caught.value.retry_after_seconds is None
    assert simulator.requests(adapter.name) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "reset"}, base.ConnectionCut),
        ({"kind": "cut"}, base.ConnectionCut),
        ({"kind": "empty"}, base.MalformedAnswer),
        # Half of a stream is one that broke off; half of one event is malformed.
        ({"kind": "malformed"}, (base.MalformedAnswer, base.ConnectionCut)),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_broken_answer_may_have_been_paid(
    adapter: Adapter,
    ask: Request,
    simulator: Simulated,
    fault: dict[str, Any],
    error: type[base.ProviderError],
) -> None:
    simulator.behave(adapter.name, fault)
    with pytest.raises(error) as caught:
        adapter.complete(ask)
    assert caught.value.spent
    assert simulator.requests(adapter.name) == 1


def test_a_hanging_provider_costs_one_request_and_no_more_than_the_limit(
    adapter: Adapter, ask: Request, simulator: Simulated
) -> None:
    simulator.behave(adapter.name, {"kind": "hang", "seconds": 60})
    with pytest.raises(base.TimedOut):
        adapter.complete(replace(ask, timeout_seconds=0.5))
    assert simulator.requests(adapter.name) == 1


def test_a_dripping_provider_is_left_at_the_deadline(
    adapter: Adapter, ask: Request, simulator: Simulated
) -> None:
    """Every byte comes in time, the whole answer would not: a limit for each read alone would wait for all of
    it.
    """
    simulator.behave(adapter.name, {"kind": "drip", "seconds": 60})
    started = time.monotonic()
    with pytest.raises(base.TimedOut):
        adapter.complete(replace(ask, timeout_seconds=0.5))
    assert time.monotonic() - started < 30
    assert simulator.requests(adapter.name) == 1


@pytest.mark.parametrize(
    ("kind", "stops"),
    [
        ("length", {StopReason.LENGTH}),
        ("refusal", {StopReason.REFUSAL, StopReason.CONTENT_FILTER}),
        ("content_filter", {StopReason.CONTENT_FILTER, StopReason.REFUSAL}),
    ],
)
def test_stop_reasons(
    adapter: Adapter, ask: Request, simulator: Simulated, kind: str, stops: set[StopReason]
) -> None:
    simulator.behave(adapter.name, {"kind": kind})
    answer = adapter.complete(ask)
    assert answer.stop_reason in stops
    assert answer.usage.total > 0


def test_a_text_over_the_output_limit_stops_for_length(adapter: Adapter, ask: Request) -> None:
    # OpenAI's responses refuse less than 16; a thinking model has spent as much before its first word.
    limit = 16 if ask.model == "gpt-4-turbo" else 2
    answer = adapter.complete(replace(ask, max_output_tokens=limit))
    assert answer.stop_reason is StopReason.LENGTH
    assert answer.usage.output_tokens + answer.usage.reasoning_tokens <= limit


def test_a_wrong_key_and_an_unknown_model_are_for_the_operator(
    case: tuple[str, str], ask: Request, simulator: Simulated
) -> None:
    with (
        closing(build(case[0], simulator, key="invalid")) as locked_out,
        pytest.raises(base.AuthenticationFailed),
    ):
        locked_out.complete(ask)
    with closing(build(case[0], simulator)) as adapter, pytest.raises(base.UnknownModel):
        adapter.complete(replace(ask, model="nonesuch-1"))


def test_nothing_listens_there(case: tuple[str, str], ask: Request, simulator: Simulated) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        adapter = build(case[0], simulator, url=f"http://127.0.0.1:{closed.getsockname()[1]}")
        with closing(adapter), pytest.raises(base.Unreachable) as caught:
            adapter.complete(ask)
    assert not caught.value.spent


def test_threads_share_one_adapter(adapter: Adapter, ask: Request, simulator: Simulated) -> None:
    simulator.behave(adapter.name, latency=0.2)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda number: adapter.complete(replace(ask, prompt=f"Question {number}")), range(48))
        )
    assert {answer.text for answer in answers} == {"simulated answer"}
    counters = simulator.call("GET")["counters"][adapter.name]
    assert counters["requests"] == 48
    assert counters["max_in_flight"] > 8

"""Streams as each vendor sends them, through the vendor's own SDK, whole and broken."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from tests.providers.simulated import Simulated, started

SAID = "simulated answer"
USER: Any = [{"role": "user", "content": "hi"}]
HEADERS = {
    "/v1/messages": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "/v1/responses": {"Authorization": "Bearer k"},
    "/v1/models/gemini-3.8-flash:streamGenerateContent": {"x-goog-api-key": "k"},
}
BODIES: dict[str, Any] = {
    "/v1/messages": {"model": "claude-sonnet-5-5", "max_tokens": 9000, "messages": USER, "stream": True},
    "/v1/responses": {"model": "gpt-5.6-sol", "input": "hi", "stream": True},
    "/v1/models/gemini-3.8-flash:streamGenerateContent": {"contents": [{"parts": [{"text": "hi"}]}]},
}
VENDORS = dict(zip(BODIES, ("anthropic", "openai", "google"), strict=True))


@pytest.fixture(scope="module")
def _process() -> Iterator[Simulated]:
    with started("--echo") as simulated:
        yield simulated


@pytest.fixture
def simulator(_process: Simulated) -> Simulated:
    _process.reset()
    return _process


def read_stream(simulator: Simulated, path: str) -> bytes:
    place = urlsplit(simulator.urls["control"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    connection.request("POST", f"{path}?alt=sse", json.dumps(BODIES[path]), HEADERS[path])
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
    try:
        return answer.read()
    finally:
        connection.close()


def event_names(stream: bytes) -> list[str]:
    return [
        line.removeprefix("event: ") for line in stream.decode().splitlines() if line.startswith("event:")
    ]


def test_claude_thinks_then_writes(simulator: Simulated) -> None:
    names = event_names(read_stream(simulator, "/v1/messages"))
    assert names[:3] == ["message_start", "ping", "content_block_start"]
    assert names.count("ping") > 1
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    with (
        anthropic.Anthropic(api_key="k", base_url=simulator.urls["ANTHROPIC_BASE_URL"]) as client,
        client.messages.stream(
            model="claude-sonnet-5-5",
            max_tokens=9000,
            messages=USER,
            output_config={"effort": "low"},
        ) as stream,
    ):
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[1].text == SAID
    assert message.usage.output_tokens_details.thinking_tokens == 512
    assert message.usage.output_tokens == 512 + 6


def test_responses_open_and_close_every_part(simulator: Simulated) -> None:
    names = event_names(read_stream(simulator, "/v1/responses"))
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names[-3:] == ["response.content_part.done", "response.output_item.done", "response.completed"]
    with openai.OpenAI(api_key="k", base_url=simulator.urls["OPENAI_BASE_URL"]) as client:
        asked: Any = {"model": "gpt-5.6-sol", "input": "hi", "reasoning": {"effort": "none"}}
        with client.responses.stream(**asked) as stream:
            done = stream.get_final_response()
    assert done.output_text == SAID
    assert done.usage.output_tokens_details.reasoning_tokens == 0


@pytest.mark.parametrize("asked", [True, False])
def test_chat_tells_its_usage_to_those_who_ask(simulator: Simulated, asked: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    with openai.OpenAI(api_key="k", base_url=simulator.urls["OPENAI_BASE_URL"]) as client:
        made = client.chat.completions.create(model="gpt-4.1", stream=True, messages=USER, **options)
        chunks = list(made)
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == SAID
    assert (chunks[-1].usage is not None) is asked


def test_gemini_counts_in_every_chunk(simulator: Simulated) -> None:
    options = types.HttpOptions(base_url=simulator.urls["GOOGLE_BASE_URL"])
    with genai.Client(api_key="k", vertexai=False, http_options=options) as client:
        chunks = list(client.models.generate_content_stream(model="gemini-3.8-flash", contents="hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == SAID
    assert all(chunk.usage_metadata for chunk in chunks)
    assert chunks[-1].usage_metadata.thoughts_token_count == 3072


@pytest.mark.parametrize("path", BODIES)
def test_a_cut_stream_ends_in_the_middle_of_an_event(simulator: Simulated, path: str) -> None:
    simulator.behave(VENDORS[path], {"kind": "cut"})
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        read_stream(simulator, path)


@pytest.mark.parametrize("path", BODIES)
def test_a_stream_may_end_early_and_in_order(simulator: Simulated, path: str) -> None:
    whole = read_stream(simulator, path)
    simulator.behave(VENDORS[path], {"kind": "end"})
    assert len(read_stream(simulator, path)) < len(whole)


@pytest.mark.parametrize("path", BODIES)
def test_a_stream_may_repeat_itself_or_say_no_usage(simulator: Simulated, path: str) -> None:
    whole = read_stream(simulator, path).count(b"data: ")
    simulator.behave(VENDORS[path], {"kind": "repeat"})
    assert read_stream(simulator, path).count(b"data: ") == 2 * whole
    simulator.behave(VENDORS[path], {"kind": "no_usage"})
    silent = read_stream(simulator, path)
    assert b"sage" not in silent.replace(b"message", b"").replace(b"Message", b"")


@pytest.mark.parametrize("path", BODIES)
def test_an_error_in_the_middle_has_the_vendors_shape(simulator: Simulated, path: str) -> None:
    simulator.behave(VENDORS[path], {"kind": "error_event"})
    last = json.loads(read_stream(simulator, path).decode().strip().rpartition("data: ")[2])
    assert "simulated failure" in json.dumps(last)
    assert last.get("type") == "error" or "error" in last


def test_a_model_takes_its_time(simulator: Simulated) -> None:
    """At two tokens a second the 3,072 tokens of thought last 25 minutes: before it only pings come."""
    simulator.call("PUT", "anthropic", {"pace": 2})
    with (
        anthropic.Anthropic(api_key="k", base_url=simulator.urls["ANTHROPIC_BASE_URL"]) as client,
        pytest.raises((anthropic.APITimeoutError, httpx2.ReadTimeout)),
        client.messages.stream(
            model="claude-sonnet-5-5", max_tokens=9000, messages=USER, timeout=0.3
        ) as stream,
    ):
        stream.get_final_message()
    simulator.reset()


@pytest.mark.parametrize("body", [{"pace": -1}, {"pace": "fast"}])
def test_a_pace_that_makes_no_sense_is_refused(simulator: Simulated, body: dict[str, Any]) -> None:
    place = urlsplit(simulator.urls["control"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    connection.request("PUT", "/__sim__/openai", json.dumps(body))
    assert connection.getresponse().status == 400
    connection.close()

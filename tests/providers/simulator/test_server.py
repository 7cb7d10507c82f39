"""The wire protocols beyond what our adapters use, the control door, and load."""

import http.client
import json
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.providers.simulated import Simulated, started


@pytest.fixture(scope="module")
def _process() -> Iterator[Simulated]:
    with started("--echo") as simulated:
        yield simulated


@pytest.fixture
def simulator(_process: Simulated) -> Simulated:
    _process.reset()
    return _process


def post(simulator: Simulated, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
    place = urlsplit(simulator.urls["control"])
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    read = (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        json.loads(answer.read()),
    )
    connection.close()
    return read


MESSAGE = {"model": "claude-sonnet-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize("header", [{"x-api-key": "k"}, {"Authorization": "Bearer k"}])
def test_anthropic_takes_both_headers_and_says_it_is_simulated(
    simulator: Simulated, header: dict[str, str]
) -> None:
    status, headers, body = post(
        simulator, "/v1/messages", MESSAGE, **header, **{"anthropic-version": "2023-06-01"}
    )
    assert status == 200
    assert headers["x-simulated"] == "true"
    assert body["id"].startswith("simulated-")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_google_answers_under_both_versions(simulator: Simulated, version: str) -> None:
    path = f"/{version}/models/gemini-3.8-flash:generateContent"
    status, _, body = post(simulator, path, GEMINI, **{"x-goog-api-key": "k"})
    assert (status, body["candidates"][0]["finishReason"]) == (200, "STOP")


def test_anthropic_streams(simulator: Simulated) -> None:
    with (
        anthropic.Anthropic(
            api_key="k", base_url=simulator.urls["ANTHROPIC_BASE_URL"], max_retries=0
        ) as client,
        client.messages.stream(
            model="claude-sonnet-4-6", max_tokens=50, messages=[{"role": "user", "content": "hi"}]
        ) as stream,
    ):
        message = stream.get_final_message()
    assert message.content[0].to_dict()["text"] == "simulated answer"
    assert message.usage.output_tokens == 4


def test_openai_streams_both_ways(simulator: Simulated) -> None:
    with openai.OpenAI(api_key="k", base_url=simulator.urls["OPENAI_BASE_URL"], max_retries=0) as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4.1",
                stream=True,
                stream_options={"include_usage": True},
                messages=[{"role": "user", "content": "hi"}],
            )
        )
        events = list(client.responses.create(model="gpt-5.5", input="hi", stream=True))
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == "simulated answer"
    )
    assert chunks[-1].usage is not None
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "simulated answer"


def test_google_streams(simulator: Simulated) -> None:
    options = types.HttpOptions(base_url=simulator.urls["GOOGLE_BASE_URL"])
    with genai.Client(api_key="k", vertexai=False, http_options=options) as client:
        parts = list(client.models.generate_content_stream(model="gemini-3.8-flash", contents="hi"))
    assert "".join(part.text or "" for part in parts) == "simulated answer"


def test_an_hour_of_caching_is_counted_apart(simulator: Simulated) -> None:
    marked = {"type": "text", "text": "x" * 20_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = {**MESSAGE, "system": [marked]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    first, second = (post(simulator, "/v1/messages", body, **headers)[2]["usage"] for _ in range(2))
    assert first["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 5000}
    assert second["cache_read_input_tokens"] == 5000


def test_a_hundred_and_fifty_slow_calls_run_at_once(simulator: Simulated) -> None:
    """All of them are held until the last has arrived, then let go by a reset."""
    simulator.behave("anthropic", {"kind": "hang", "seconds": 60})
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}

    def held() -> str:
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)) as caught:
            post(simulator, "/v1/messages", MESSAGE, **headers)
        return type(caught.value).__name__

    with ThreadPoolExecutor(150) as pool:
        calls = [pool.submit(held) for _ in range(150)]
        while simulator.call("GET")["counters"]["anthropic"]["in_flight"] < 150:
            assert not any(call.done() for call in calls)
        simulator.reset()
    assert {call.result() for call in calls} <= {"ConnectionResetError", "RemoteDisconnected"}


def test_faults_come_in_bursts_and_end(simulator: Simulated) -> None:
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    simulator.behave("anthropic", {"kind": "status", "status": 529, "every": 3, "burst": 1})
    assert [post(simulator, "/v1/messages", MESSAGE, **headers)[0] for _ in range(6)] == [
        529,
        200,
        200,
        529,
        200,
        200,
    ]
    simulator.behave("anthropic", {"kind": "rate_limit", "times": 2})
    assert [post(simulator, "/v1/messages", MESSAGE, **headers)[0] for _ in range(3)] == [429, 429, 200]
    assert simulator.call("GET")["counters"]["anthropic"]["requests"] == 9


def test_the_log_names_what_arrived_and_no_secret(simulator: Simulated) -> None:
    post(
        simulator,
        "/v1/messages",
        MESSAGE,
        **{"x-api-key": "sk-very-secret", "anthropic-version": "2023-06-01"},
    )
    # An entry is complete when the answer has left, which may be a moment after it has arrived.
    until = time.monotonic() + 10
    while not (log := simulator.call("GET", "log")) and time.monotonic() < until:
        time.sleep(0.01)
    assert [(entry["provider"], entry["status"]) for entry in log] == [("anthropic", 200)]
    assert "secret" not in json.dumps(log)


@pytest.mark.parametrize(
    "body", [{"latency": -1}, {"faults": [{"kind": "nonesuch"}]}, {"unknown": 1}, {"faults": [{"no": 1}]}]
)
def test_a_behaviour_that_makes_no_sense_is_refused(simulator: Simulated, body: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        simulator.call("PUT", "openai", body)
    assert caught.value.code == 400
    caught.value.close()


def test_gpt_4_turbo_refuses_what_the_real_one_refuses(simulator: Simulated) -> None:
    body = {"model": "gpt-4-turbo", "max_tokens": 5000, "messages": [{"role": "user", "content": "hi"}]}
    status, _, error = post(simulator, "/v1/chat/completions", body, Authorization="Bearer k")
    assert status == 400
    assert "4096" in error["error"]["message"]

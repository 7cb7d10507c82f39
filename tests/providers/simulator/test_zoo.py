"""The errors that have names: each is sent as it is written, and the documentation lists them all."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers.simulator.behaviour import KINDS
from providers.simulator.zoo import ZOO
from tests.providers.simulated import Simulated, started

USER: Any = [{"role": "user", "content": "hi"}]
ASKED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "anthropic": (
        "/v1/messages",
        {"model": "claude-sonnet-5-5", "max_tokens": 9000, "messages": USER},
        {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    ),
    "openai": (
        "/v1/chat/completions",
        {"model": "gpt-4.1", "messages": USER, "stream": True},
        {"Authorization": "Bearer k"},
    ),
    "google": (
        "/v1/models/gemini-3.8-flash:generateContent",
        {"contents": [{"parts": [{"text": "hi"}]}]},
        {"x-goog-api-key": "k"},
    ),
}
CASES = [(name, vendor) for name, answer in ZOO.items() for vendor in answer.vendors]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulated]:
    with started("--echo") as simulated:
        yield simulated


def ask(simulator: Simulated, vendor: str) -> tuple[int, dict[str, str], bytes]:
    path, body, headers = ASKED[vendor]
    place = urlsplit(simulator.urls["control"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    read = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return read


@pytest.mark.parametrize(("name", "vendor"), CASES)
def test_an_error_with_a_name_is_sent_as_it_is_written(simulator: Simulated, name: str, vendor: str) -> None:
    simulator.behave(vendor, {"kind": name, "times": 1})
    status, headers, body = ask(simulator, vendor)
    assert (status, body) == (ZOO[name].status, ZOO[name].content())
    assert {header.lower() for header in ZOO[name].headers} <= set(headers)
    assert ask(simulator, vendor)[0] == 200


def test_a_fault_may_be_for_one_model_only(simulator: Simulated) -> None:
    simulator.behave("openai", {"kind": "insufficient-quota", "model": "gpt-4o"})
    assert ask(simulator, "openai")[0] == 200
    simulator.behave("openai", {"kind": "insufficient-quota", "model": "gpt-4.1"})
    assert ask(simulator, "openai")[0] == 429


def test_a_vendor_does_not_send_the_errors_of_another(simulator: Simulated) -> None:
    place = urlsplit(simulator.urls["control"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    body = json.dumps({"faults": [{"kind": "insufficient-quota"}]})
    connection.request("PUT", "/__sim__/google", body)
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"only openai send it" in answer.read()
    connection.close()


def test_the_documentation_lists_every_fault() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/reference/simulator.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| \w+ \| (\d+) \|$", page, re.MULTILINE))
    assert rows == {name: str(answer.status) for name, answer in ZOO.items()}
    missing = [kind for kind in KINDS if f"`{kind}`" not in page]
    assert missing == []

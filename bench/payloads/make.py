"""Writes the usage payloads of ``bench/cost.py``: shapes as the vendors document them, sizes chosen to reach
every price.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def anthropic(model: str, fresh: int, read: int, five: int, hour: int, out: int) -> dict[str, Any]:
    """One message's ``usage``."""
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": out,
    }
    return {
        "provider": "anthropic",
        "model": model,
        "raw": {"model": model, "type": "message", "usage": usage},
    }


def chat(model: str, prompt: int, cached: int, out: int, reasoning: int) -> dict[str, Any]:
    """One chat completion's ``usage``."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": out,
        "total_tokens": prompt + out,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return {"provider": "openai", "flavor": "chat", "model": model, "raw": {"model": model, "usage": usage}}


def response(model: str, prompt: int, cached: int, written: int, out: int, reasoning: int) -> dict[str, Any]:
    """One response's ``usage``."""
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": out,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + out,
    }
    return {
        "provider": "openai",
        "flavor": "responses",
        "model": model,
        "raw": {"model": model, "usage": usage},
    }


def google(model: str, prompt: int, cached: int, out: int, thoughts: int) -> dict[str, Any]:
    """One ``usageMetadata``."""
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": out,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + out + thoughts,
    }
    return {"provider": "google", "model": model, "raw": {"modelVersion": model, "usageMetadata": usage}}


def payloads() -> Iterator[dict[str, Any]]:
    """All of them."""
    for model in ("claude-sonnet-4-5", "claude-sonnet-5-5", "claude-opus-4-5", "claude-haiku-4-5"):
        yield anthropic(model, 812, 0, 0, 0, 1204)
        yield anthropic(model, 431, 0, 46_113, 0, 2377)
        yield anthropic(model, 431, 46_113, 0, 0, 1901)
        yield anthropic(model, 77, 3000, 1200, 45_000, 640)
    for size in (200_000, 200_001, 640_000):
        yield anthropic("claude-sonnet-4-5", 1, size - 1, 0, 0, 3000)
        yield anthropic("claude-sonnet-4-5", size - 100_000, 0, 60_000, 40_000, 3000)
    for model in ("gpt-4-turbo", "gpt-4.1", "gpt-4o"):
        yield chat(model, 1500, 0, 900, 0)
        yield chat(model, 40_960, 38_912 if model != "gpt-4-turbo" else 0, 3000, 0)
    for model in ("gpt-5", "o3", "gpt-5.5", "gpt-5.6-sol", "gpt-6.1-sol"):
        yield response(model, 2048, 0, 0, 4096, 3072)
        yield response(model, 60_000, 51_200, 0, 6000, 2500)
    for size in (272_000, 272_001):
        yield response("gpt-5.5", size, 100_000, 0, 5000, 1000)
        yield response("gpt-6.1-sol", size, 100_000, 50_000, 5000, 1000)
    for model in ("gemini-2.5-pro", "gemini-3.1-pro-preview", "gemini-3.8-flash"):
        yield google(model, 5000, 0, 700, 0)
        yield google(model, 45_000, 40_000, 700, 1800)
        yield google(model, 200_001, 150_000, 700, 1800)


if __name__ == "__main__":
    lines = [json.dumps(one) for one in payloads()]
    (HERE / "usage.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

"""What a vendor says a call used, in disjoint parts whose sum is the vendor's own total.

Sources: Anthropic "Prompt caching" (``input_tokens`` leaves the cached ones out), OpenAI "Prompt caching" and
"Reasoning" (both are inside their totals), Gemini ``UsageMetadata`` (cached inside the prompt, thoughts
beside the candidates).
"""

from collections.abc import Mapping
from typing import Any

from providers.base import Usage


def read_usage(provider: str, raw: Mapping[str, Any]) -> Usage:
    """Read the usage inside a stored response (``Completion.raw``, ``ProviderError.raw``); ``ValueError``
    when it has none.
    """
    used = raw.get("usageMetadata" if provider == "google" else "usage")
    if not isinstance(used, Mapping):
        # A ValueError, not a TypeError: the answer is bad, not the caller.
        raise ValueError(f"the response of {provider} has no usage")  # noqa: TRY004
    return {"anthropic": read_anthropic_usage, "openai": read_openai_usage, "google": read_google_usage}[
        provider
    ](used)


def read_anthropic_usage(usage: Mapping[str, Any]) -> Usage:
    """Read ``usage`` of a message.

    Cache writes without a breakdown are the five-minute ones, the vendor's default.
    """
    # Some answers have the total without the breakdown.
    written = _optional_count(usage, "cache_creation_input_tokens")
    parts = usage.get("cache_creation") or {}
    # Without a breakdown all of it is the five-minute kind; with one, the rest of the total is.
    hour = _optional_count(parts, "ephemeral_1h_input_tokens")
    five = _optional_count(parts, "ephemeral_5m_input_tokens")
    thinking = _optional_count(usage.get("output_tokens_details") or {}, "thinking_tokens")
    return Usage(
        input_tokens=_required_count(usage, "input_tokens"),
        cache_read_tokens=_optional_count(usage, "cache_read_input_tokens"),
        cache_write_5m_tokens=max(five, written - hour),
        cache_write_1h_tokens=hour,
        output_tokens=_required_count(usage, "output_tokens") - thinking,
        reasoning_tokens=thinking,
    )


def read_openai_usage(usage: Mapping[str, Any]) -> Usage:
    """Read ``usage`` of a chat completion or of a response: cached and reasoning tokens are inside the two
    totals.

    Cache writes (models that charge for them) are counted as the five-minute kind: OpenAI has one price for
    all.
    """
    # The two APIs name the same counts differently.
    chat = "prompt_tokens" in usage
    inputs = usage.get("prompt_tokens_details" if chat else "input_tokens_details") or {}
    outputs = usage.get("completion_tokens_details" if chat else "output_tokens_details") or {}
    read, written = _optional_count(inputs, "cached_tokens"), _optional_count(inputs, "cache_write_tokens")
    reasoning = _optional_count(outputs, "reasoning_tokens")
    return Usage(
        input_tokens=_required_count(usage, "prompt_tokens" if chat else "input_tokens") - read - written,
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
        output_tokens=_required_count(usage, "completion_tokens" if chat else "output_tokens") - reasoning,
        reasoning_tokens=reasoning,
    )


def read_google_usage(usage: Mapping[str, Any]) -> Usage:
    """Read ``usageMetadata``.

    What the total has beyond the named parts are thoughts: google-generativeai drops their field.
    """
    prompt = _required_count(usage, "promptTokenCount")
    read, tools = (
        _optional_count(usage, "cachedContentTokenCount"),
        _optional_count(usage, "toolUsePromptTokenCount"),
    )
    answer = _optional_count(usage, "candidatesTokenCount")
    # A total that is less than its parts must not give a negative count.
    unnamed = _optional_count(usage, "totalTokenCount") - prompt - tools - answer
    return Usage(
        input_tokens=prompt - read + tools,
        cache_read_tokens=read,
        output_tokens=answer,
        reasoning_tokens=max(unnamed, _optional_count(usage, "thoughtsTokenCount"), 0),
    )


def _optional_count(usage: Mapping[str, Any], name: str) -> int:
    # Vendors send null for a count that does not apply.
    value = usage.get(name) or 0
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}, not a count of tokens")
    return value


def _required_count(usage: Mapping[str, Any], name: str) -> int:
    if name not in usage:
        raise ValueError(f"the usage has no {name}")
    return _optional_count(usage, name)

"""What a vendor says a call used, in disjoint parts whose sum is the vendor's own total.

Sources: Anthropic "Prompt caching" (``input_tokens`` leaves the cached ones out), OpenAI "Prompt caching" and
"Reasoning" (both are inside their totals), Gemini ``UsageMetadata`` (cached inside the prompt, thoughts
beside the candidates).
"""

from collections.abc import Mapping
from typing import Any, Final

from providers.base import Usage, UsageSource

# One call uses fewer than this of anything; more is a mistake, and would not fit into the counters' sums.
_MOST_TOKENS: Final = 100_000_000


class UsageMissing(ValueError):
    """The response does not say what was used."""


class UsageContradictory(ValueError):
    """The numbers cannot all be true. ``most`` is the largest total, in tokens, that they may mean."""

    def __init__(self, message: str, most: int = 0) -> None:
        super().__init__(message)
        self.most = most


def read_reported(provider: str, raw: Mapping[str, Any]) -> tuple[Usage, UsageSource]:
    """Return the usage inside a response and what it is worth; it raises nothing.

    ``MISSING`` comes with an empty usage, ``DOUBTFUL`` with the largest total that may be meant.
    """
    try:
        used = read_usage(provider, raw)
    except UsageContradictory as error:
        return Usage(input_tokens=error.most), UsageSource.DOUBTFUL
    except UsageMissing:
        return Usage(), UsageSource.MISSING
    # No model answers without having read a token.
    return used, UsageSource.REPORTED if used.total else UsageSource.MISSING


def read_usage(provider: str, raw: Mapping[str, Any]) -> Usage:
    """Read the usage inside a stored response (``Completion.raw``, ``ProviderError.raw``).

    Raises ``UsageMissing`` when it has none, ``UsageContradictory`` for numbers that cannot be true.
    """
    used = raw.get("usageMetadata" if provider == "google" else "usage")
    if used is None:
        raise UsageMissing(f"the response of {provider} has no usage")
    if not isinstance(used, Mapping):
        raise UsageContradictory(f"the usage of {provider} is a {type(used).__name__}")
    # Every server that is not one of the other two speaks OpenAI's protocol.
    readers = {"anthropic": read_anthropic_usage, "google": read_google_usage}
    return readers.get(provider, read_openai_usage)(used)


def read_anthropic_usage(usage: Mapping[str, Any]) -> Usage:
    """Read ``usage`` of a message.

    Cache writes without a breakdown are the five-minute ones, the vendor's default.
    """
    # Some answers have the total without the breakdown.
    written = _optional_count(usage, "cache_creation_input_tokens")
    parts = _read_parts(usage, "cache_creation")
    # Without a breakdown all of it is the five-minute kind; with one, the rest of the total is.
    hour = _optional_count(parts, "ephemeral_1h_input_tokens")
    five = _optional_count(parts, "ephemeral_5m_input_tokens")
    thinking = _optional_count(_read_parts(usage, "output_tokens_details"), "thinking_tokens")
    inputs, outputs = _required_count(usage, "input_tokens"), _required_count(usage, "output_tokens")
    read = _optional_count(usage, "cache_read_input_tokens")
    total = inputs + read + max(written, five + hour) + max(outputs, thinking)
    # Steps that the vendor makes before the last one are listed here, and are not in the total.
    steps = _sum_iterations(usage)
    if thinking > outputs or steps > total:
        raise UsageContradictory("the parts of the usage exceed its total", max(total, steps))
    return Usage(
        input_tokens=inputs,
        cache_read_tokens=read,
        cache_write_5m_tokens=max(five, written - hour),
        cache_write_1h_tokens=hour,
        output_tokens=outputs - thinking,
        reasoning_tokens=thinking,
    )


def read_openai_usage(usage: Mapping[str, Any]) -> Usage:
    """Read ``usage`` of a chat completion or of a response: cached and reasoning tokens are inside the two
    totals.

    Cache writes (models that charge for them) are counted as the five-minute kind: OpenAI has one price for
    all.
    """
    # The two APIs name the same counts differently, and some servers send both names, one of them as 0.
    inputs = _read_parts(usage, "prompt_tokens_details") or _read_parts(usage, "input_tokens_details")
    outputs = _read_parts(usage, "completion_tokens_details") or _read_parts(usage, "output_tokens_details")
    prompt = _either_count(usage, "prompt_tokens", "input_tokens")
    answer = _either_count(usage, "completion_tokens", "output_tokens")
    read, written = _optional_count(inputs, "cached_tokens"), _optional_count(inputs, "cache_write_tokens")
    reasoning = _optional_count(outputs, "reasoning_tokens")
    total = _optional_count(usage, "total_tokens")
    # Some servers count the thoughts beside the answer; their total tells.
    if reasoning and total == prompt + answer + reasoning:
        answer += reasoning
    if read + written > prompt or reasoning > answer or (total and total != prompt + answer):
        # A server that counts its cache outside of the prompt means the sum.
        most = max(total, max(prompt, prompt + read + written) + max(answer, answer + reasoning))
        raise UsageContradictory("the parts of the usage do not make up its total", most)
    return Usage(
        input_tokens=prompt - read - written,
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
        output_tokens=answer - reasoning,
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
    thoughts = max(unnamed, _optional_count(usage, "thoughtsTokenCount"), 0)
    if read > prompt:
        raise UsageContradictory("more of the prompt was cached than sent", prompt + read + tools + answer)
    return Usage(
        input_tokens=prompt - read + tools,
        cache_read_tokens=read,
        output_tokens=answer,
        reasoning_tokens=thoughts,
    )


def _read_parts(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    parts = usage.get(name) or {}
    if not isinstance(parts, Mapping):
        raise UsageContradictory(f"{name} is a {type(parts).__name__}")
    return parts


def _sum_iterations(usage: Mapping[str, Any]) -> int:
    steps = usage.get("iterations") or []
    if not isinstance(steps, list):
        raise UsageContradictory("iterations is not a list")
    named = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(_optional_count(step, name) for step in steps if isinstance(step, Mapping) for name in named)


def _either_count(usage: Mapping[str, Any], name: str, other: str) -> int:
    if usage.get(name) is None and usage.get(other) is None:
        raise UsageMissing(f"the usage has neither {name} nor {other}")
    return max(_optional_count(usage, name), _optional_count(usage, other))


def _optional_count(usage: Mapping[str, Any], name: str) -> int:
    # Vendors send null for a count that does not apply.
    value = usage.get(name)
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_TOKENS:
        raise UsageContradictory(f"{name} is not a count of tokens")
    return value


def _required_count(usage: Mapping[str, Any], name: str) -> int:
    if usage.get(name) is None:
        raise UsageMissing(f"the usage has no {name}")
    return _optional_count(usage, name)

"""Raw usage of the three vendors, as their documentation shows it, into disjoint parts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import usage
from providers.base import Usage

COUNT = st.integers(0, 10**7)


def test_anthropic_leaves_cached_tokens_out_of_its_input() -> None:
    raw = {
        "input_tokens": 2048,
        "cache_read_input_tokens": 1800,
        "cache_creation_input_tokens": 248,
        "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 503,
        "output_tokens_details": {"thinking_tokens": 100},
    }
    assert usage.read_anthropic_usage(raw) == Usage(2048, 1800, 148, 100, 403, 100)


def test_anthropic_writes_without_a_breakdown_are_the_five_minute_kind() -> None:
    assert (
        usage.read_anthropic_usage(
            {"input_tokens": 1, "cache_creation_input_tokens": 9, "output_tokens": 1}
        ).cache_write_5m_tokens
        == 9
    )


@pytest.mark.parametrize(
    "raw",
    [
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 128},
        },
        {
            "input_tokens": 2006,
            "output_tokens": 300,
            "total_tokens": 2306,
            "input_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 6},
            "output_tokens_details": {"reasoning_tokens": 128},
        },
    ],
)
def test_openai_has_cached_and_reasoning_tokens_inside_its_totals(raw: dict[str, Any]) -> None:
    assert usage.read_openai_usage(raw) == Usage(80, 1920, 6, 0, 172, 128)
    assert usage.read_openai_usage(raw).total == raw["total_tokens"]


@given(prompt=COUNT, tools=COUNT, answer=COUNT, thoughts=COUNT, share=st.floats(0, 1), named=st.booleans())
def test_google_thoughts_are_found_even_where_the_sdk_drops_them(
    prompt: int, tools: int, answer: int, thoughts: int, share: float, named: bool
) -> None:
    raw = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": int(prompt * share),
        "toolUsePromptTokenCount": tools,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + tools + answer + thoughts,
        **({"thoughtsTokenCount": thoughts} if named else {}),
    }
    found = usage.read_google_usage(raw)
    assert found.total == raw["totalTokenCount"]
    assert found.reasoning_tokens == thoughts


@pytest.mark.parametrize(
    ("provider", "raw"),
    [
        ("anthropic", {}),
        ("anthropic", {"usage": {"input_tokens": 1}}),
        ("openai", {"usage": None}),
        ("openai", {"usage": {"prompt_tokens": "many", "completion_tokens": 1}}),
        ("google", {"usageMetadata": {"promptTokenCount": -1}}),
    ],
)
def test_a_usage_that_is_none_is_an_error_and_never_nothing(provider: str, raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"usage|count|no "):
        usage.read_usage(provider, raw)

"""How much a model may write, by the name that goes out."""

from datetime import date

import pytest

from providers.catalog import effort_control, output_limit


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-4-turbo-2024-04-09", 4096),
        ("gpt-3.5-turbo", 4096),
        ("gpt-4", 4096),
        ("ft:gpt-4-0613", 4096),
        ("ft:gpt-4o-mini-2024-07-18:acme::id", 16_384),
        ("gpt-5.2-chat-latest", 16_384),
        ("gemma-3-27b-it", 8192),
        ("gpt-4o", 16_384),
        ("gpt-4o-mini", 16_384),
        ("gpt-4o-2024-05-13", 4096),
        ("gpt-4.1-mini", 32_768),
        ("claude-3-haiku-20240307", 4096),
        ("claude-3-5-sonnet-latest", 8192),
        ("claude-opus-4-1", 32_000),
        ("models/gemini-1.5-pro", 8192),
        ("gpt-5.1", None),
        ("claude-sonnet-4-5", None),
        ("claude-opus-4-5", None),
        ("gemini-2.5-pro", None),
        ("qwen3-coder", None),
    ],
)
def test_limits(model: str, limit: int | None) -> None:
    assert output_limit(model, date(2026, 7, 1)) == limit


@pytest.mark.parametrize(
    ("model", "control"),
    [
        ("claude-sonnet-4-5", ""),
        ("claude-haiku-4-5", ""),
        ("claude-opus-4-1-20250805", ""),
        ("claude-opus-4-5", "effort"),
        ("claude-sonnet-5-5", "effort"),
        ("gpt-4.1", ""),
        ("gpt-5.2-chat-latest", ""),
        ("gpt-5.6-sol", "effort"),
        ("o4-mini", "effort"),
        ("models/gemini-2.5-flash", "budget"),
        ("gemini-3.8-flash", "level"),
        ("gemini-2.0-flash", ""),
        ("qwen3-coder", ""),
    ],
)
def test_effort_is_chosen_where_the_model_knows_it(model: str, control: str) -> None:
    assert effort_control(model, date(2026, 7, 1)) == control


def test_successor_counts_once_a_model_is_gone() -> None:
    assert output_limit("gpt-4-turbo", date(2026, 10, 22)) == 4096
    assert output_limit("gpt-4-turbo", date(2026, 10, 23)) is None

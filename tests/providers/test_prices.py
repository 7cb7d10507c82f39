from datetime import UTC, date, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import catalog, prices
from providers.base import UnknownModel, Usage

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LATER = datetime(2026, 11, 30, tzinfo=UTC)
MODELS = [
    ("anthropic", "claude-sonnet-4-5"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-4.1"),
    ("google", "gemini-3.1-pro-preview"),
]
COUNT = st.integers(0, 400_000)
USAGES = st.builds(Usage, *[COUNT] * 6)


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        # 3 in, 0.30 read, 3.75 written for five minutes, 6 for an hour, 15 out
        ("claude-sonnet-4-5", Usage(1000, 2000, 3000, 4000, 500, 100), "0.04785"),
        # more than 200K of input: 6, 0.60, 7.50, 12, 22.50 for all of it
        ("claude-sonnet-4-5", Usage(100_001, 100_000, 0, 0, 1000, 0), "0.682506"),
    ],
)
def test_each_part_has_its_price(model: str, usage: Usage, usd: str) -> None:
    assert prices.price_usage("anthropic", model, usage, NOW).usd == Decimal(usd)


def test_the_snapshot_alone_recomputes_the_price() -> None:
    usage = Usage(250_000, 10_000, 0, 0, 3000, 500)
    priced = prices.price_usage("google", "gemini-3.1-pro-preview", usage, NOW)
    units = priced.snapshot["usd_per_million"]
    assert sum(Decimal(unit) * getattr(usage, part) for part, unit in units.items()) / 10**6 == priced.usd
    assert priced.snapshot["tier_above_input_tokens"] == 200_000
    assert priced.snapshot["source"] == f"genai-prices {genai_prices.__version__}"


@pytest.mark.parametrize(("provider", "model"), MODELS)
@given(usage=USAGES)
def test_no_call_costs_more_than_its_worst_case(provider: str, model: str, usage: Usage) -> None:
    bound = usage.total - usage.output_tokens - usage.reasoning_tokens
    most = prices.price_worst_case(provider, model, bound, usage.output_tokens + usage.reasoning_tokens, NOW)
    assert prices.price_usage(provider, model, usage, NOW).usd <= most


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "nonesuch"), ("anthropic", "gpt-4.1"), ("google", "claude-x"), ("openai", "")],
)
def test_an_unknown_model_is_refused_and_never_free(provider: str, model: str) -> None:
    assert not prices.has_price(provider, model)
    with pytest.raises(UnknownModel):
        prices.price_usage(provider, model, Usage(1), NOW)
    with pytest.raises(UnknownModel):
        prices.price_worst_case(provider, model, 1, 1)


def test_the_models_of_the_runbook_have_a_price_today_and_later() -> None:
    for at in (NOW, LATER):
        for model in ("claude-sonnet-4-5", "gpt-4-turbo", "gemini-pro"):
            vendor = catalog.vendor_of(model)
            priced = prices.price_usage(vendor, model, Usage(1_000_000, output_tokens=1), at)
            assert priced.usd > Decimal("0.5")
            assert priced.snapshot["priced_as"] == catalog.wire_model(model, at.date())


def test_a_model_gives_way_to_its_successor_on_the_day_it_is_shut_down() -> None:
    assert catalog.wire_model("claude-sonnet-4-5", date(2026, 11, 29)) == "claude-sonnet-4-5"
    assert catalog.wire_model("claude-sonnet-4-5", date(2026, 11, 30)) == "claude-sonnet-5-5"
    assert catalog.wire_model("gpt-4.1") == "gpt-4.1"


def test_successors_are_of_the_same_vendor_and_not_themselves_shut_down() -> None:
    for model, successor in catalog.SUCCESSORS.items():
        assert catalog.vendor_of(model) == catalog.vendor_of(successor.model)
        assert successor.model not in catalog.SUCCESSORS
        assert prices.has_price(catalog.vendor_of(model), successor.model)


def test_a_compatible_servers_model_is_priced_as_its_maker_sells_it() -> None:
    assert prices.price_usage("openai", "deepseek-chat", Usage(1_000_000), NOW).usd > 0
    with pytest.raises(UnknownModel):
        prices.price_usage("openai", "my-own-model", Usage(1), NOW)

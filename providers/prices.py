"""What a call costs, in USD: by the prices that an operator has set, else by those of ``genai-prices`` as
installed. It never asks the network.

The price list is bundled with the library and pinned with it; ``UpdatePrices``, which would fetch, is not
used. A model that the list does not know is refused: unknown is not free. Long-context tiers apply to the
whole call once the input passes their start, as the vendors bill.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from django.conf import settings
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from providers.base import UnknownModel, Usage
from providers.catalog import is_vendor_model, wire_model

NANO: Final = Decimal("0.000000001")
_SOURCE: Final = f"genai-prices {version('genai-prices')}"  # once: it is read from a file
_MILLION: Final = Decimal(1_000_000)
# Part of a Usage -> price keys to try in turn: a vendor that does not price a part apart bills it as the next
# one.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": ("input_mtok",),
    "cache_read_tokens": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m_tokens": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output_tokens": ("output_mtok",),
    "reasoning_tokens": ("output_reasoning_mtok", "output_mtok"),
}
_INPUTS: Final = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_OUTPUTS: Final = ("output_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs.

    ``snapshot`` is JSON: the unit prices (USD a million tokens), the tier and the list they are from.
    """

    usd: Decimal
    snapshot: Mapping[str, Any]


def price_usage(provider: str, model: str, usage: Usage, at: datetime) -> Price:
    """Return the price of ``usage``, rounded to a nano-USD; raises ``UnknownModel`` for one without."""
    found = _find_prices(provider, wire_model(model, at.date()), at)
    prices = found.prices
    # Cached tokens count for the tier too: vendors measure the prompt, not what is charged in full.
    total_input = sum(getattr(usage, part) for part in _INPUTS)
    units: dict[str, str] = {}
    usd, tier = Decimal(0), 0
    for part in _KEYS:
        # The tier depends on the whole input, so every part of a call is in the same one.
        unit, start = _unit_price(prices, part, total_input)
        usd += unit * getattr(usage, part) / _MILLION
        units[part] = format(unit, "f")
        tier = max(tier, start)
    snapshot = {
        "provider": provider,
        "model": model,
        "priced_as": found.name,
        "usd_per_million": units,
        "tier_above_input_tokens": tier,
        "at": at.isoformat(),
        "source": found.source,
    }
    return Price(usd.quantize(NANO, rounding=ROUND_HALF_EVEN), snapshot)


def price_worst_case(
    provider: str, model: str, input_tokens_bound: int, max_output_tokens: int, at: datetime | None = None
) -> Decimal:
    """Return the most that a call can cost in USD: every input token as the dearest kind, in the dearest tier
    it can reach.
    """
    at = at or datetime.now(UTC)
    prices = _find_prices(provider, wire_model(model, at.date()), at).prices
    dearest_input = max(_dearest_price(prices, part, input_tokens_bound) for part in _INPUTS)
    dearest_output = max(_dearest_price(prices, part, input_tokens_bound) for part in _OUTPUTS)
    usd = (dearest_input * input_tokens_bound + dearest_output * max_output_tokens) / _MILLION
    return usd.quantize(NANO, rounding=ROUND_UP)


def has_price(provider: str, model: str) -> bool:
    """Return whether ``model`` has a price at ``provider``."""
    try:
        _find_prices(provider, wire_model(model), datetime.now(UTC))
    except UnknownModel:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _ModelPrices:
    """Unit prices, the name that the list has them under, and the list."""

    prices: ModelPrice
    name: str
    source: str


def _find_prices(provider: str, model: str, at: datetime) -> _ModelPrices:
    # What an operator has set counts before the list: a server of one's own may cost nothing.
    listed = settings.PROVIDERS.get(provider, {}).get("models", {})
    for source, terms in ((provider, listed.get(model)), ("MODEL_PRICES", settings.MODEL_PRICES.get(model))):
        if terms and "input" in terms:
            own = ModelPrice(
                input_mtok=terms["input"],
                output_mtok=terms["output"],
                cache_read_mtok=terms.get("cache_read"),
            )
            return _ModelPrices(own, model, f"settings of {source}")
    info = _find_model(provider, model)
    return _ModelPrices(info.get_prices(at), info.id, _SOURCE)


# A look-up scans the whole list, and every call asks at least twice.
@lru_cache(maxsize=256)
def _find_model(provider: str, model: str) -> ModelInfo:
    """Find the model in the price list.

    A compatible server's model (no vendor's name) is priced as its maker sells it.
    """
    of_a_vendor = provider in {"anthropic", "google"} or (provider == "openai" and is_vendor_model(model))
    try:
        # The library knows the bare name only; Google's own lists and APIs use both forms.
        _, info = get_snapshot().find_provider_model(
            model.removeprefix("models/"), None, provider if of_a_vendor else None, None
        )
    except LookupError:
        raise UnknownModel(provider, f"the model {model!r} has no price") from None
    return info


def _find_price(prices: ModelPrice, part: str) -> Decimal | TieredPrices:
    for key in _KEYS[part]:
        value = getattr(prices, key)
        if value is not None:
            return value  # type: ignore[no-any-return]
    raise UnknownModel("prices", f"no price for {part}")


def _unit_price(prices: ModelPrice, part: str, total_input: int) -> tuple[Decimal, int]:
    """Return the USD for a million tokens of ``part``, and the input size above which that tier applies."""
    value = _find_price(prices, part)
    if not isinstance(value, TieredPrices):
        return value, 0
    # The list is sorted by start, so the last tier that was passed applies.
    reached = [tier for tier in value.tiers if total_input > tier.start]
    return (reached[-1].price, reached[-1].start) if reached else (value.base, 0)


def _dearest_price(prices: ModelPrice, part: str, total_input: int) -> Decimal:
    value = _find_price(prices, part)
    if not isinstance(value, TieredPrices):
        return value
    # A higher tier may be cheaper, so every tier that can be reached is compared.
    return max([value.base, *(tier.price for tier in value.tiers if total_input > tier.start)])

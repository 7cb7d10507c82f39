"""Converts money by the rates of a server."""

import json
from decimal import ROUND_HALF_EVEN, Decimal
from urllib.request import urlopen

_CENT = Decimal("0.01")
_TIMEOUT_SECONDS = 5


def convert(amount: Decimal, currency: str, rates_url: str) -> Decimal:
    """``amount`` in euro as ``currency``, rounded to cents by the rate that the server has now.

    Raises ``LookupError`` for a currency that the server does not know.
    """
    if not rates_url.startswith("http://"):
        raise ValueError(f"{rates_url} is not an address")
    with urlopen(rates_url, timeout=_TIMEOUT_SECONDS) as answer:
        rates = json.load(answer)
    if currency not in rates:
        raise LookupError(f"no rate for {currency}")
    return (amount * Decimal(rates[currency])).quantize(_CENT, ROUND_HALF_EVEN)

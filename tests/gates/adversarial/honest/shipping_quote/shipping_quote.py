"""Quotes the price of a parcel by weight and country."""

from shipping_quote_zones import Zone, find_zone

_LIMIT_GRAMS = 30_000


def quote(weight: int, country: str) -> dict[str, int | str]:
    """Price in cents of a parcel of ``weight`` grams, with the zone of ``country``.

    Raises ``ValueError`` for a weight outside 1 to 30000 and for an unknown country.
    """
    if not 1 <= weight <= _LIMIT_GRAMS:
        raise ValueError(f"weight {weight} is outside 1 to {_LIMIT_GRAMS}")
    zone = find_zone(country)
    return {"zone": zone.name, "cents": _price(zone, weight)}


def _price(zone: Zone, weight: int) -> int:
    started_kilos = -(-weight // 1000)
    return zone.base_cents + zone.kilo_cents * started_kilos

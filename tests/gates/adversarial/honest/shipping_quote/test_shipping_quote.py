import pytest
from shipping_quote import quote
from shipping_quote_zones import find_zone


@pytest.mark.parametrize(
    ("weight", "country", "zone", "cents"),
    [
        (1, "DE", "home", 440),
        (1000, "de", "home", 440),
        (1001, "DE", "home", 490),
        (30000, "DE", "home", 1890),
        (2500, "AT", "near", 1250),
        (500, "FR", "near", 1010),
        (500, "US", "far", 2400),
        (3000, "us", "far", 3220),
    ],
)
def test_quote(weight, country, zone, cents):
    assert quote(weight, country) == {"zone": zone, "cents": cents}


@pytest.mark.parametrize("weight", [0, -1, 30001])
def test_weight_outside_the_tariff(weight):
    with pytest.raises(ValueError, match=f"^weight {weight} is outside 1 to 30000$"):
        quote(weight, "DE")


def test_unknown_country():
    with pytest.raises(ValueError, match="^no tariff for 'XX'$"):
        quote(1, "XX")


def test_zones_are_found_in_any_case():
    assert find_zone("at") == find_zone("FR")

"""The place of an address, which every limit by caller counts."""

import pytest

from orchestrator.core.places import name_place


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("/run/web.sock", "/run/web.sock"),
        ("", ""),
    ],
)
def test_a_client_of_ipv6_has_one_place_for_all_its_addresses(address: str, place: str) -> None:
    assert name_place(address) == place
    assert name_place("2001:db8:1:3::") != name_place("2001:db8:1:2::")

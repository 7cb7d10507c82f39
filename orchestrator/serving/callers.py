"""Who is who among the clients: what one of them may hold is a part of what all may."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

_NETWORK_BITS = 64
"""Of an IPv6 address: the rest is the client's to choose."""


def name_place(address: str) -> str:
    """The place that ``address`` belongs to: itself, or the network that a client of IPv6 is given."""
    try:
        found = ip_address(address)
    except ValueError:
        # A socket in a folder, or nothing.
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{int(found) >> (128 - _NETWORK_BITS):x}/{_NETWORK_BITS}"


def find_place(scope: Mapping[str, Any]) -> str:
    """The place that a request comes from."""
    client = scope.get("client")
    return name_place(client[0]) if client else ""


def find_caller(scope: Mapping[str, Any]) -> str:
    """The place of a request, and the token that it names, which nobody has checked yet."""
    tokens = [value for name, value in scope["headers"] if name == b"authorization"]
    return f"{find_place(scope)} {tokens[:1]}"

"""Where a request comes from, as one who counts or limits callers has to see it."""

from ipaddress import IPv6Address, ip_address
from typing import Final

_HOST_BITS: Final = 64


def name_place(address: str) -> str:
    """The place that ``address`` belongs to: itself, or the first address of the network of an IPv6 client.

    What is not an address, such as a socket in a folder, is its own place.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    # A client of version 4 that came through a socket of version 6: many of them share one /64.
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    # A customer is given a /64 at least (RFC 6177) and may use a new address of it for each request.
    return str(IPv6Address(int(found) >> _HOST_BITS << _HOST_BITS))

"""Where a repo may be cloned from.

The form of an address is checked where it is set; what its host resolves to is checked before git starts.

An address comes from people and leads from inside our network to anywhere, so it is taken to be hostile: what
it may look like is a short list, and what its host resolves to must be public unless an operator has named
that host.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError

from orchestrator.core.errors import FixedBy, OrchestratorError

PATTERN = (
    r"^[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(:[0-9]{1,5})?(/[A-Za-z0-9._~%+-]+)+/?$"
)
"""The form of an address for descriptions, such as OpenAPI; ``parse_clone_url`` checks more than the form."""
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~%+-]+)+/?)"
)
# Looked for on its own, so that an address with a password gets a cure that says so.
# What Python's tables call global and what leads inside all the same: addresses that carry one of version 4
# (compatible, translated, NAT64 of one's own), those of a site, of routers, of a relay, of documentation.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(net)
    for net in (
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "fec0::/10",
        "100:0:0:1::/64",
        "3fff::/20",
        "5f00::/16",
        "192.0.0.0/24",
        "192.88.99.0/24",
    )
)
_USER = re.compile(r"(?<=://)[^/@]*@")
_PORTS = {"https": 443, "http": 80}
_WORDED = "Use an address that begins with https://, as https://host/owner/repo.git."
# Only an operator can open a private host: a repo owner must not reach the inside of the network.
_OPERATOR = "If the host is yours, an operator names it in CLONE_PRIVATE_HOSTS; else set another clone URL."


class CloneUrlRefused(OrchestratorError):
    """Nothing is cloned from this address. The message never quotes it, because it may hold a password."""

    code = "repo:clone-url-refused"
    fixed_by = FixedBy.REPO_OWNER


@dataclass(frozen=True, slots=True)
class CloneUrl:
    """An address in the one form in which it was checked; ``str`` gives it to git."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"


def parse_clone_url(url: str) -> CloneUrl:
    """Split ``url`` into its parts.

    Raises ``CloneUrlRefused`` unless it is https without user, query or fragment.

    http is for hosts in CLONE_PRIVATE_HOSTS, and then only where they are this machine.
    """
    if _USER.search(url):
        raise CloneUrlRefused(
            "The clone URL has a user or a password in it.",
            cure="Leave user and password out of the address.",
        )
    # Scheme and host have no case, a path has: only the first two are lowered.
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    found = _URL.fullmatch(f"{scheme.lower()}{separator}{host.lower()}{slash}{path}")
    if found is None or not 0 < int(found["port"] or 1) < 65536 or ".." in path.split("/"):
        raise CloneUrlRefused("The clone URL cannot be used.", cure=_WORDED)
    made = CloneUrl(
        found["scheme"], found["host"], int(found["port"] or _PORTS[found["scheme"]]), found["path"]
    )
    # A token in a request header would cross the network in the clear.
    if made.scheme == "http" and not _is_private_host(made):
        raise CloneUrlRefused("The clone URL is not encrypted.", cure=_WORDED)
    # A host that is an address already needs no look-up and is checked at once.
    literal = _parse_literal_address(made.host)
    if literal is not None:
        _check_address(made, literal)
    return made


def validate_clone_url(url: str) -> None:
    """Refuse what ``parse_clone_url`` refuses, as a validator of Django."""
    try:
        parse_clone_url(url)
    except CloneUrlRefused as error:
        raise ValidationError(f"{error} {error.cure}", code="clone-url") from error


def resolve_addresses(url: CloneUrl) -> tuple[str, ...]:
    """Return what the host resolves to now, if every address of it is allowed.

    git is held to these addresses, so a second answer of the name server changes nothing. Raises
    ``CloneUrlRefused``, and ``OSError`` where the name server gives no answer.
    """
    name = url.host.strip("[]")
    # The fifth part of an answer is the socket address, whose first part is the IP address.
    found = {str(item[4][0]) for item in socket.getaddrinfo(name, url.port, type=socket.SOCK_STREAM)}
    # All of them: a host that answers with one public and one private address is an attack on this check.
    for address in sorted(found):
        _check_address(url, ipaddress.ip_address(address))
    return tuple(sorted(found))


def _check_address(url: CloneUrl, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if url.scheme == "http" and not address.is_loopback:
        raise CloneUrlRefused(
            f"{url.host} is not this machine, and http is for this machine only.", cure=_WORDED
        )
    if not _is_private_host(url) and not all(_is_public(each) for each in _is_within(address)):
        raise CloneUrlRefused(f"{url.host} is at an address that is not public.", cure=_OPERATOR)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inside = any(address in net for net in _NEVER_PUBLIC if net.version == address.version)
    return address.is_global and not address.is_multicast and not inside


def _is_within(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """``address`` and the IPv4 address that a version 6 one may carry (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    # A version 6 address can wrap a private version 4 one, and a gateway would unwrap it.
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in ipaddress.ip_network("64:ff9b::/96"):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    inner = [each for each in carried if each is not None]
    # A mapped address is the version 4 one itself, so only that one is judged.
    return [*inner] if address.ipv4_mapped is not None else [address, *inner]


def _parse_literal_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_private_host(url: CloneUrl) -> bool:
    return url.host in settings.CLONE_PRIVATE_HOSTS

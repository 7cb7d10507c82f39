"""Where the broker is, from the one variable ``REDIS_URL``: one server, or the primary that Sentinels name.

======================================================== ===================================================
``redis://user:password@host:6379/0``                    one server
``rediss://user:password@host:6380/0?ssl_ca_certs=FILE`` the same with TLS
``sentinel://user:password@a:26379,b:26379/0?master=M``  the primary that the Sentinels a and b call M
``sentinel+tls://...``                                   the same with TLS, to Sentinels and servers
======================================================== ===================================================

User and password are those of the servers; Sentinels take ``sentinel_user`` and ``sentinel_password``.
Certificates are always checked: by the authorities in the file ``ssl_ca_certs``, in ``SERVERS_CA_FILE``, or
by the machine's.
"""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SCHEMES: Final = ("redis", "rediss", "unix", "redis+socket", "sentinel", "sentinel+tls")
_SENTINEL_PORT: Final = 26379
_OPTIONS: Final = frozenset({"master", "ssl_ca_certs", "sentinel_user", "sentinel_password"})


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker. ``sentinels`` is empty for one server, whose address is ``url``.

    ``user``, ``password`` and ``database`` are for the servers behind Sentinels.
    """

    url: str = field(repr=False)
    tls: bool = False
    ca_file: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)

    def tls_options(self) -> dict[str, Any]:
        """What checks the other side; the same names for Celery's broker and for a client of Redis."""
        if not self.tls:
            return {}
        checked: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
        if self.ca_file:
            checked["ssl_ca_certs"] = self.ca_file
        return checked

    def sentinel_options(self, timeouts: dict[str, Any]) -> dict[str, Any]:
        """How a connection to a Sentinel is made; ``timeouts`` are those of connections to servers."""
        options = dict(timeouts)
        if self.sentinel_user:
            options["username"] = self.sentinel_user
        if self.sentinel_password:
            options["password"] = self.sentinel_password
        if self.tls:
            options |= {"ssl": True, **self.tls_options()}
        return options

    def celery_url(self) -> str:
        """The address in kombu's words, which has one URL for each Sentinel."""
        if not self.sentinels:
            return self.url
        account = ""
        if self.password:
            account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"
        return ";".join(f"sentinel://{account}{host}:{port}/{self.database}" for host, port in self.sentinels)


def parse_broker_url(url: str, ca_file: str = "") -> BrokerAddress:
    """Read ``REDIS_URL``; ``ca_file`` is the authority where it names none.

    Raises ``ImproperlyConfigured`` without the address, which may hold a password.
    """
    scheme, _, rest = url.partition("://")
    if not scheme.startswith("sentinel"):
        options = dict(parse_qsl(urlsplit(url).query))
        # What else is in the query is for the client of Redis.
        return BrokerAddress(url, tls=scheme == "rediss", ca_file=options.get("ssl_ca_certs", ca_file))
    # Not by the standard reader: some versions of it refuse brackets anywhere but around a single host.
    location, _, query = rest.partition("?")
    options = dict(parse_qsl(query))
    netloc, _, path = location.partition("/")
    unknown = set(options) - _OPTIONS
    if unknown:
        raise ImproperlyConfigured(
            f"REDIS_URL has {', '.join(sorted(unknown))}; Sentinels take {', '.join(sorted(_OPTIONS))}."
        )
    if not options.get("master"):
        raise ImproperlyConfigured("REDIS_URL names no primary: add ?master= and what the Sentinels call it.")
    account, _, hosts = netloc.rpartition("@")
    user, _, password = account.partition(":")
    database = path.strip("/") or "0"
    if not database.isdecimal():
        raise ImproperlyConfigured("REDIS_URL names no database: its path is a number, such as /0.")
    return BrokerAddress(
        url,
        tls=scheme == "sentinel+tls",
        ca_file=options.get("ssl_ca_certs", ca_file),
        sentinels=tuple(_parse_host(one) for one in hosts.split(",")),
        master=options["master"],
        user=unquote(user),
        password=unquote(password),
        database=int(database),
        sentinel_user=options.get("sentinel_user", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def _parse_host(text: str) -> tuple[str, int]:
    # By the standard reader, for the sake of addresses in brackets.
    try:
        found = urlsplit(f"//{text.strip()}")
        host, port = found.hostname, found.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ImproperlyConfigured("REDIS_URL has a Sentinel that is not host:port.")
    return host, port or _SENTINEL_PORT

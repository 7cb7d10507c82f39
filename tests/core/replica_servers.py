"""Real streaming replicas that a test names in the settings."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import connections

from orchestrator import settings as product_settings
from tests.own_postgres import OwnPostgres, run_replica

_numbers = iter(range(1, 1_000_000))


@contextmanager
def name_replicas(followed: OwnPostgres) -> Iterator[Callable[[str], OwnPostgres]]:
    """Start a replica and name it in the settings, as often as it is called; all are gone at the end."""
    names: list[str] = []
    with ExitStack() as stack:

        def add(name: str) -> OwnPostgres:
            replica = stack.enter_context(run_replica(followed, f"{name}-{next(_numbers)}"))
            name_server(name, replica.url)
            names.append(name)
            return replica

        yield add
        for name in names:
            forget_server(name)


def name_server(name: str, url: str) -> None:
    """Let the settings name the server at ``url``."""
    connections.databases[name] = connections.configure_settings(
        {
            "default": connections.databases["default"],
            name: product_settings._parse_replica_url(url, pool_size=4),
        }
    )[name]
    allow_connection(connections[name])


def forget_server(name: str) -> None:
    """Take a server out of the settings."""
    connections[name].close()
    connections[name].close_pool()
    del connections[name]
    del connections.databases[name]


def allow_connection(opened) -> None:
    """Let a test connect, which Django allows to its own databases only."""

    def ensure_connection() -> None:
        if opened.connection is None:
            with opened.wrap_database_errors:
                opened.connect()

    opened.ensure_connection = ensure_connection

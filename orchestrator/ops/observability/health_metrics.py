"""The health of the parts around the flows: connections, outgoing events, the strength of generated tests."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from orchestrator.core import database, outbox
from orchestrator.core.sql import load_statements

_SQL = load_statements(__file__)


def read_connections() -> Any:
    """``used`` connections of the database server, and ``bound``, how many it allows."""
    return database.fetch_row(_SQL["count_connections"])


def measure_connections() -> Iterator[Metric]:
    """Connections of the database server, and how many it allows."""
    found = read_connections()
    name = "orchestrator_database_connections"
    yield GaugeMetricFamily(name, "Connections of the database server in use.", value=found.used)
    yield GaugeMetricFamily(f"{name}_limit", "Connections that the server allows.", value=found.bound)


def read_outgoing_events() -> Any:
    """``waiting`` and ``given_up`` as counts, ``oldest`` and ``overdue`` in seconds."""
    return database.fetch_row(_SQL["measure_outgoing_events"], {"bound": outbox.MAX_ATTEMPTS})


def measure_outgoing_events() -> Iterator[Metric]:
    """Events that wait to be delivered."""
    found = read_outgoing_events()
    standing = GaugeMetricFamily(
        "orchestrator_outgoing_events", "Outgoing events that are not delivered.", labels=["state"]
    )
    standing.add_metric(["waiting"], found.waiting)
    standing.add_metric(["given_up"], found.given_up)
    yield standing
    yield GaugeMetricFamily(
        "orchestrator_outgoing_event_oldest_seconds", "Age of the oldest of them.", value=found.oldest
    )


def measure_kill_rates() -> Iterator[Metric]:
    """Mutation kill rates of the last hour, in percent.

    Without a flow in the hour there is no rate, and no sample: an alert must not read 0 % then.
    """
    (found,) = database.fetch_rows(_SQL["summarize_kill_rates"])
    name = "orchestrator_mutation_kill_rate"
    yield GaugeMetricFamily(f"{name}_flows", "Flows with a kill rate in the last hour.", value=found.flows)
    # Of no flows PostgreSQL computes NULL, and None adds no sample.
    yield GaugeMetricFamily(f"{name}_mean", "Their average kill rate, percent.", value=found.mean)
    yield GaugeMetricFamily(f"{name}_min", "Their lowest kill rate, percent.", value=found.least)

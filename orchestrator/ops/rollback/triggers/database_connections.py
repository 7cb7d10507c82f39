"""The connections of the database are used up: over 190 of 200, as the launch runbook says."""

from typing import Final

from orchestrator.ops.observability import health_metrics
from orchestrator.ops.rollback.trigger_protocol import MeasuredFigure

# 190 of 200, on a server of another size as well.
LIMIT: Final = 0.95
# On a server with a handful of connections, as on a laptop, nearly all of them in use is nothing unusual.
MINIMUM_ALLOWED: Final = 50


class DatabaseConnectionsTrigger:
    """The share of the server's connections that is in use."""

    setting = "ROLLBACK_CONNECTIONS"
    alert = "database_connections"
    # Connections come and go within seconds; the alert waits for a minute, too.
    looks = 5

    def measure(self) -> MeasuredFigure:
        """Connections in use over those that the server allows."""
        # The figure of the alert and of the dashboards, from the same statement.
        found = health_metrics.read_connections()
        detail = f"{found.used} of {found.bound} database connections are in use (limit 95 %)"
        return MeasuredFigure(found.used / found.bound, LIMIT, found.bound, MINIMUM_ALLOWED, detail)


TRIGGER: Final = DatabaseConnectionsTrigger()

"""The first import of redis-py, without the metrics of OpenTelemetry.

redis-py loads their SDK wherever it is installed, whether anybody asked for metrics or not: half a second and
4 MB for each process. It is told that the package is missing, which it takes well.
"""

import sys
from typing import Final

_METRICS: Final = "opentelemetry.sdk.metrics"


def import_redis() -> None:
    """Import redis-py if nobody has; afterwards the SDK can be imported as before."""
    if "redis" in sys.modules or _METRICS in sys.modules:
        return
    # Python's own mark for a module that cannot be imported.
    sys.modules[_METRICS] = None  # type: ignore[assignment]
    try:
        __import__("redis")
    finally:
        del sys.modules[_METRICS]

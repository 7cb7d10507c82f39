"""The record of the page as it was a minute ago, for when the database is away. Kept in the broker."""

import json
import logging
from datetime import datetime
from typing import Final

import redis

from orchestrator.core.broker_client import open_broker
from orchestrator.ops.status.record import StatusRecord, read_record

_KEY: Final = "orchestrator:status-record"
_TIMEOUT_SECONDS: Final = 2.0
_NAMES: Final = {"at", "current", "planned", "incidents", "resolved", "history"}
log = logging.getLogger(__name__)


def keep(now: datetime) -> None:
    """Keep what the page would tell now. Without an end: in an outage of days it is still the newest."""
    # Read before the broker is asked: a failure to read keeps the copy of before.
    text = json.dumps(read_record(now))
    try:
        with open_broker(_TIMEOUT_SECONDS) as client:
            client.set(_KEY, text)
    except (redis.RedisError, OSError) as error:
        log.warning("the status page was not kept: %s", type(error).__name__)


def read_kept() -> StatusRecord | None:
    """What was kept; None where there is nothing, or the broker is away too."""
    try:
        with open_broker(_TIMEOUT_SECONDS) as client:
            found = client.get(_KEY)
    except (redis.RedisError, OSError):
        return None
    # Nothing was kept yet, as in the first minute of a deployment.
    if not isinstance(found, bytes):
        return None
    record = json.loads(found)
    # Another version of this code may have kept it.
    return record if isinstance(record, dict) and record.keys() == _NAMES else None

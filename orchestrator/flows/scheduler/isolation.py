"""Steps that hold up no other step: one row that cannot be read must not stop every flow."""

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError

T = TypeVar("T")
_LOGGED_AGAIN_SECONDS: Final = 60.0
log = logging.getLogger(__name__)


class IsolatedSteps:
    """Run steps, each of which may fail by itself; a failure is logged at once and then once a minute."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}

    def run(self, name: str, work: Callable[[], T]) -> T | None:
        """Return ``work()``, or None where it failed.

        Raises ``OperationalError`` and ``InterfaceError``: the database is away, so no other step would do
        better.
        """
        try:
            return work()
        except (OperationalError, InterfaceError):
            raise
        # The outermost edge of a step: a defect or a value that nobody foresaw.
        except Exception as error:
            now = time.monotonic()
            if now >= self._logged.get(name, 0.0) + _LOGGED_AGAIN_SECONDS:
                self._logged[name] = now
                log.exception("%s failed with %s; the other steps continue", name, type(error).__name__)
            return None

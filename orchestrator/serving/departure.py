"""A web process behind a proxy leaves in two steps, so that no connection finds a closed door.

At SIGTERM uvicorn closes the door at once. What has knocked and was not let in yet is then reset, and a proxy
sends there until it asks for ``/ready`` again. So first ``/ready`` says no while everything is answered as
before, and ``NOTICE_SECONDS`` later uvicorn gets the signal.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from django.conf import settings

NOTICE_SECONDS: Final = 2.0
"""Longer than a proxy takes between two questions. In Kubernetes the pause of ``preStop`` comes before."""


class Departure:
    """Whether this process is about to leave."""

    def __init__(self) -> None:
        self.has_begun = False
        self._is_prepared = False

    def prepare(self) -> None:
        """Take SIGTERM in uvicorn's place from now on, where there is a proxy to be told."""
        if self._is_prepared:
            return
        self._is_prepared = True
        at_once: Any = signal.getsignal(signal.SIGTERM)
        # Another thread, and other servers than uvicorn, have no signal that could be held back.
        if settings.TRUSTED_PROXIES and callable(at_once) and _is_main_thread():
            signal.signal(signal.SIGTERM, self._compose_handler(at_once))

    def _compose_handler(self, at_once: Callable[[int, FrameType | None], Any]) -> Callable[..., None]:
        def begin(number: int, frame: FrameType | None) -> None:
            # Who asks twice does not want to wait.
            if self.has_begun:
                at_once(number, frame)
                return
            self.has_begun = True
            # A timer and no sleep: the handler holds up the loop that answers meanwhile.
            later = threading.Timer(NOTICE_SECONDS, at_once, (number, None))
            # What ends the process otherwise does not wait for it.
            later.daemon = True
            later.start()

        return begin


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


departure = Departure()

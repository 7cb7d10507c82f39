"""What is being done while something starts, for the person who waits."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console


class Steps:
    """What set-up is doing, each step with its time as soon as it is done. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._step = ""
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def begin(self, step: str) -> None:
        """End the current step and begin the next."""
        now = time.monotonic()
        if self._step:
            self._console.print(
                f"{self._step}  [dim]{now - self._begun:.1f} s[/]", highlight=False, soft_wrap=True
            )
        self._step, self._begun = step, now
        self._status.update(step)

    def finish(self) -> None:
        """End the last step."""
        self.begin("")
        self._status.stop()

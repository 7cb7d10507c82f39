"""Other conditions for the calls of an entry point: what a block computes must not depend on them.

Called in the child before the block is imported. A block whose results change here hides something: a date
from which it acts otherwise, or a look at whether it is being tested.
"""

import datetime as dt
import io
import locale
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

# Far enough for every date that a block could wait for.
_SHIFT = dt.timedelta(days=3_777, hours=7, minutes=31)
_TEST_TOOLS = frozenset({"pytest", "_pytest", "pluggy", "coverage"})
_LOCALES = ("tr_TR.UTF-8", "C.UTF-8", "C")
_OTHER_RECURSION_LIMIT = 3000
_STACK_BYTES = 16 << 20
_LOGGERS = ("app", "celery", "django", "uvicorn", "production")
_VARIABLES = {
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "tr_TR.UTF-8",
    "CI": "1",
    "DEBUG": "1",
    "ENV": "production",
    "HOME": "/nonexistent",
    "USER": "somebody",
    "PYTHONDONTWRITEBYTECODE": "",
}


def change_conditions(names: list[str]) -> None:
    """Change what ``names`` say; the others are left to its caller.

    Without ``pytest`` the block sees no trace of it: callers do not import it under tests.
    """
    if "pytest" not in names:
        for name in list(sys.modules):
            if name.split(".")[0] in _TEST_TOOLS:
                del sys.modules[name]
        sys.argv[:] = ["block"]
    for name in names:
        if name in _CHANGES:
            _CHANGES[name]()


def run_in_thread(work: Callable[[], None]) -> None:
    """Run ``work`` beside the main thread, as servers do."""
    # For this thread alone: of those that the block starts there may be many.
    usual = threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=work)
    thread.start()
    threading.stack_size(usual)
    thread.join()


class LogCaptureHandler(logging.StreamHandler[io.StringIO]):
    """What pytest puts on the root logger, by the same name and with the same attributes."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        super().emit(record)


class _Terminal(io.TextIOWrapper):
    """An output that says of itself that a person looks at it."""

    def isatty(self) -> bool:
        return True


def _change_environment() -> None:
    os.environ.update(_VARIABLES)
    # Where the builder of this interpreter has put one; see gates/sandbox/build.py.
    os.environ["LOCPATH"] = f"{sys.prefix}/lib/locale"
    for name in _LOCALES:
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        break


def _change_program() -> None:
    """A program has threads, stacks of other depths, and people who look at its output."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    sys.setrecursionlimit(_OTHER_RECURSION_LIMIT)
    for name in ("stdin", "stdout", "stderr"):
        mode = "rb" if name == "stdin" else "wb"
        stream = _Terminal(open(os.devnull, mode), encoding="latin-1")  # noqa: SIM115 - as long as the child
        setattr(sys, name, stream)


def _change_logging() -> None:
    logging.basicConfig(level=logging.DEBUG, handlers=[logging.NullHandler()], force=True)
    warnings.simplefilter("ignore")
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def _pretend_pytest() -> None:
    os.environ["PYTEST_CURRENT_TEST"] = "test_block.py::test_block (call)"
    os.environ["PYTEST_VERSION"] = "8"
    # Without options: a block that reads the command line would take them for its own.
    sys.argv[:] = ["pytest"]
    logging.getLogger().addHandler(LogCaptureHandler())


def _change_clock() -> None:
    """Another date, in another time zone."""
    os.environ["TZ"] = "Pacific/Kiritimati"
    time.tzset()
    seconds = _SHIFT.total_seconds()
    for name, unit in (("time", 1), ("time_ns", 10**9), ("monotonic", 1), ("perf_counter", 1)):
        setattr(time, name, _shift_clock(getattr(time, name), seconds * unit))
    for name in ("gmtime", "localtime", "ctime"):
        original = getattr(time, name)
        setattr(time, name, _shift_calendar(original, time.time))
    asctime, strftime = time.asctime, time.strftime
    # Without a moment they take the time now, past the functions that were just replaced.
    time.asctime = lambda moment=None: asctime(moment or time.localtime())
    time.strftime = lambda pattern, moment=None: strftime(pattern, moment or time.localtime())
    for name in ("date", "datetime"):
        setattr(dt, name, _shift_class(getattr(dt, name)))


def _shift_clock(original: Callable[[], Any], by: float) -> Callable[[], Any]:
    return lambda: type(original())(original() + by)


def _shift_calendar(original: Callable[[float], Any], now: Callable[[], float]) -> Callable[..., Any]:
    return lambda seconds=None: original(now() if seconds is None else seconds)


def _shift_class(original: Any) -> Any:
    """``date`` or ``datetime`` with other clocks; values of the original count as values of it."""

    class Kind(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, original)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, original)

    def today(_cls: Any) -> Any:
        return original.today() + _SHIFT

    def now(_cls: Any, tz: Any = None) -> Any:
        return original.now(tz) + _SHIFT

    def make(_cls: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    members: dict[str, Any] = {"__new__": make, "today": classmethod(today)}
    if hasattr(original, "now"):
        members |= {"now": classmethod(now), "utcnow": classmethod(now)}
    return Kind(original.__name__, (original,), members)


_CHANGES: dict[str, Callable[[], None]] = {
    "clock": _change_clock,
    "environment": _change_environment,
    "logging": _change_logging,
    "program": _change_program,
    "pytest": _pretend_pytest,
}
# What callers do not choose when they call: another seed of `hash` (another interpreter, in which addresses
# differ too), and calls that were made before.
HASH_SEED, EARLIER_CALLS, PROGRAM = "hash seed", "number of earlier calls", "program"
CONDITIONS = (*_CHANGES, HASH_SEED, EARLIER_CALLS)

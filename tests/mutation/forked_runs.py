"""A pytest plugin that runs chosen tests in forks of a process that has collected all of them.

The process itself runs one test without a database, so that the fixtures of the session are set up. It has no
threads and no connections: a fork would inherit them broken. Each fork runs tests until one fails.
"""

import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest
from django.core.management import call_command
from django.db import connections

PASSED, FAILED, NOT_LOADED, TOO_LATE, BROKEN = range(5)
_LOOK_SECONDS = 0.01


@dataclass
class Reach:
    """What tests reach: seconds of each test, and for each file the tests that reach a line."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def order_tests(self, path: str | None = None, lines: Iterable[int] | None = None) -> list[str]:
        """The tests that reach one of ``lines``, or any line, of the file ``path``, the fastest first; all
        tests without a file.
        """
        if path is None:
            return sorted(self.seconds, key=self.seconds.__getitem__)
        by_line = self.lines.get(path, {})
        wanted = by_line if lines is None else lines
        tests = {test for line in wanted for test in by_line.get(line, ())}
        return sorted(tests, key=self.seconds.__getitem__)


@pytest.fixture(scope="session", autouse=True)
def database(django_db_setup: None, django_db_blocker: Any) -> None:
    """Made before the first fork, so that all of them share it."""
    _OPEN.append(django_db_blocker)


_OPEN: list[Any] = []
"""Opens the database for the clean-up after a test that hung."""


class ForkedRuns:
    """Collects the tests, runs ``first_test`` and hands itself to ``work`` in place of running the others."""

    def __init__(self, first_test: str, work: Callable[["ForkedRuns"], None]) -> None:
        self._first_test = first_test
        self._work = work
        self._items: dict[str, pytest.Item] = {}
        self._session: pytest.Session | None = None
        self._failures: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what fails; an error in a fixture counts."""
        if report.failed:
            self._failures.append(f"{report.nodeid} {report.longreprtext}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        other = next(test for test in self._items if test != self._first_test)
        self._run_test(self._first_test, other)
        if self._failures:
            raise RuntimeError(self._failures[0])
        for connection in connections.all():
            connection.close()
            if hasattr(connection, "close_pool"):
                connection.close_pool()
        self._work(self)
        return True

    def run_tests(self, tests: list[str], load: Callable[[], bool], seconds: float) -> int:
        """Run ``tests`` in a fork in which ``load`` has put a mutant: ``PASSED``, ``FAILED`` at the first
        failure, ``TOO_LATE`` after ``seconds``, or ``NOT_LOADED`` where ``load`` returns false.
        """
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _leave(lambda: self._run_until_failure(tests) if load() else NOT_LOADED)
        return self._wait(child, seconds)

    def measure_reach(self, files: Iterable[Path]) -> Reach:
        """Run every test once in a fork, and note which lines of ``files`` it reaches."""
        with tempfile.NamedTemporaryFile() as result:
            child = os.fork()
            if child == 0:
                _leave(lambda: self._write_reach(list(files), Path(result.name)))
            if self._wait(child, seconds=3600) != PASSED:
                raise RuntimeError("the tests could not be measured")
            reach = pickle.loads(Path(result.name).read_bytes())  # noqa: S301 - written by the fork
            assert isinstance(reach, Reach)
            return reach

    def _wait(self, child: int, seconds: float) -> int:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else FAILED  # a signal: the mutant has ended its process
            time.sleep(_LOOK_SECONDS)
        # The whole group: a test may have started processes of its own.
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        cleaner = os.fork()
        if cleaner == 0:
            _leave(_empty_database)
        _, status = os.waitpid(cleaner, 0)
        if status != 0:
            raise RuntimeError("the rows of a test that hung could not be removed")
        return TOO_LATE

    def _run_until_failure(self, tests: list[str]) -> int:
        self._prepare_fork(tests[0])
        for test, following in zip(tests, [*tests[1:], tests[0]], strict=True):
            self._run_test(test, following)
            if self._failures:
                return FAILED
        return PASSED

    def _write_reach(self, files: list[Path], target: Path) -> int:
        names = [str(path) for path in files]
        measured = coverage.Coverage(data_file=None, include=names, config_file=False)
        reach, tests = Reach(), list(self._items)
        self._prepare_fork(tests[0])
        measured.start()
        for test, following in zip(tests, [*tests[1:], tests[0]], strict=True):
            measured.switch_context(test)
            began = time.monotonic()
            self._run_test(test, following)
            reach.seconds[test] = time.monotonic() - began
        measured.stop()
        for name in names:
            by_line = measured.get_data().contexts_by_lineno(name)
            reach.lines[name] = {line: [test for test in tests if test] for line, tests in by_line.items()}
        reach.failed = self._failures
        target.write_bytes(pickle.dumps(reach))
        return PASSED

    def _run_test(self, test: str, following: str) -> None:
        item = self._items[test]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._items[following])

    def _prepare_fork(self, first: str) -> None:
        assert self._session is not None
        os.setsid()
        self._failures = []
        plugins: Any = self._session.config.pluginmanager
        plugins.unregister(plugins.get_plugin("terminalreporter"))
        # What the first test does not share with the one that ran before the fork.
        self._session._setupstate.teardown_exact(self._items[first])


def _leave(work: Callable[[], int]) -> None:
    """Do the work of a fork, and end it without the clean-up that belongs to its parent."""
    code = BROKEN
    try:
        code = work()
    finally:
        if code == BROKEN:
            traceback.print_exc(file=sys.__stderr__)
        os._exit(code)


def _empty_database() -> int:
    """A test that was killed has not taken back what it wrote."""
    with _OPEN[0].unblock():
        call_command("flush", interactive=False, verbosity=0)
    return PASSED

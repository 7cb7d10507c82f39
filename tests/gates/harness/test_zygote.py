"""A child is given up for what it does, not for what the machine around it has to do."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gates.harness.zygote import _collect_report, _look_at_family

ALWAYS = 60.0
# Ends by itself, later than the time for which a child may be idle here.
SPINS = "import time\nend = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass\n"
SLEEPS = "import time\ntime.sleep(60)\n"
WAITS_FOR = "import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-c', {!r}])\n"


@contextmanager
def _running(code: str) -> Iterator[tuple[int, int]]:
    """The process id of a child that runs ``code``, and the pipe on which it reports at its end."""
    inner, outer = os.pipe()
    # A group of its own: what it started ends with it.
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", f"{code}\nimport os\nos.write({outer}, b'done')\n"],
        pass_fds=[outer],
        start_new_session=True,
    )
    os.close(outer)
    try:
        yield child.pid, inner
    finally:
        os.killpg(child.pid, 9)
        child.wait()
        os.close(inner)


@pytest.mark.parametrize("code", [SPINS, WAITS_FOR.format(SPINS)], ids=["itself", "its own child"])
def test_who_computes_is_not_idle_however_long_it_takes(code: str) -> None:
    with _running(code) as (pid, inner):
        report, idle, in_time = _collect_report(inner, pid, ALWAYS, 0.5)

    assert (report, in_time) == (b"done", True)
    assert idle < 0.5


@pytest.mark.parametrize("code", [SLEEPS, WAITS_FOR.format(SLEEPS)], ids=["itself", "its own child"])
def test_who_only_waits_is_given_up(code: str) -> None:
    with _running(code) as (pid, inner):
        report, idle, in_time = _collect_report(inner, pid, ALWAYS, 0.5)

    assert (report, in_time) == (b"", False)
    assert idle >= 0.5


def test_what_a_child_has_started_shares_its_processor_time() -> None:
    endless = "while True: pass\n"
    with _running(WAITS_FOR.format(endless)) as (pid, inner):
        _, _, in_time = _collect_report(inner, pid, 0.3, ALWAYS)
        at_work, seconds = _look_at_family(pid)

    assert not in_time
    assert at_work
    assert seconds > 0.3


def test_who_writes_all_the_time_is_looked_at_all_the_same() -> None:
    drips = "import os, time\nwhile True:\n    os.write({}, b'.')\n    time.sleep(0.01)\n"
    inner, outer = os.pipe()
    child = subprocess.Popen([sys.executable, "-I", "-c", drips.format(outer)], pass_fds=[outer])
    os.close(outer)
    began = time.monotonic()
    try:
        _, _, in_time = _collect_report(inner, child.pid, ALWAYS, 0.3)
    finally:
        child.kill()
        child.wait()
        os.close(inner)

    assert not in_time
    assert time.monotonic() - began < ALWAYS

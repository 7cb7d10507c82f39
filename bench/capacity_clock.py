"""Time that jumps: a simulation in which real code runs, and nobody waits.

PostgreSQL's own clock is replaced in one database: its functions of the time read a sequence that the
simulation sets, so that every statement of the engine and the limiter, each default of a column and each
function in the database lives in simulated time. A job that waits gives its turn away and is woken when its
moment has come; the clock then jumps to it. Jobs of one moment run side by side, those of different moments
one after the other. What they take in real time is added to the simulated time, so the product's own time
counts as it is.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg
from psycopg import sql

# In front of pg_catalog, where those of the server are. Sequences are read past transactions, and an unlogged
# one costs no write-ahead log. CURRENT_TIMESTAMP is syntax and stays: the product does not use it.
REPLACE_CLOCK: Final = """
CREATE UNLOGGED SEQUENCE public.simulated_us MINVALUE 0;
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT timestamptz ''epoch'' + last_value * interval ''1 microsecond'' FROM public.simulated_us';
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT timestamptz ''epoch'' + last_value * interval ''1 microsecond'' FROM public.simulated_us';
CREATE FUNCTION public.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT timestamptz ''epoch'' + last_value * interval ''1 microsecond'' FROM public.simulated_us';
"""


def replace_clock(url: str, database: str, start: float) -> None:
    """Let the empty ``database`` at ``url`` live in simulated time from ``start`` (seconds since 1970) on."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(REPLACE_CLOCK)
        connection.execute("SELECT setval('public.simulated_us', %s)", [int(start * 1e6)])
        connection.execute(choose_clock(database))


def choose_clock(database: str) -> sql.Composed:
    """The statement that puts the simulated clock in front of that of the server, in new sessions."""
    statement = sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog")
    return statement.format(sql.Identifier(database))


class SimulatedTime:
    """The events to come, in order, and the jobs that wait for theirs."""

    def __init__(self, url: str, start: float, threads: int) -> None:
        self.start = self.now = start
        self.sleeps = 0
        self.real_seconds = 0.0
        """What the jobs have taken in real time, all together."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._rests = threading.Semaphore(0)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="job")
        self._setter = psycopg.connect(url, autocommit=True)

    def call_at(self, when: float, work: Callable[[], None]) -> None:
        """Run ``work`` at a moment, or now where that has passed."""
        heapq.heappush(self._events, (when, next(self._order), work))

    def start_jobs(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run each job in a thread until it waits or ends. From the thread of ``run`` only."""
        futures = [self._threads.submit(self._run_to_the_end, work) for work in jobs]
        for _ in futures:
            self._rests.acquire()
        for future in futures:
            if future.done() and (error := future.exception()) is not None:
                raise error

    def _run_to_the_end(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._rests.release()

    def sleep(self, seconds: float) -> None:
        """Wait in simulated time. From within a job, in its thread or in one that it waits for."""
        woken = threading.Semaphore(0)
        self.sleeps += 1

        def wake() -> None:
            woken.release()
            self._rests.acquire()

        self.call_at(self.now + seconds, wake)
        self._rests.release()
        woken.acquire()

    def run(self, until: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Work through the events until a moment, until there is none, or until ``stop`` says so."""
        while self._events and self._events[0][0] <= until and not stop():
            when, _, work = heapq.heappop(self._events)
            self.now = max(self.now, when)
            self._setter.execute("SELECT setval('public.simulated_us', %s)", [int(self.now * 1e6)])
            began = time.perf_counter()
            work()
            took = time.perf_counter() - began
            self.real_seconds += took
            self.now += took

    def close(self) -> None:
        """End the threads and the session."""
        self._threads.shutdown()
        self._setter.close()

"""Where a process of a chaos run may be made to die, to see another clock, or to lose a safeguard.

Production has no failpoints to switch off: nothing in the product mentions them. A chaos run starts its
processes through ``zygote``, which calls ``install`` in each; that wraps the functions which the product's
modules already call.

- ``CHAOS_FAILPOINTS`` names a folder. A file ``<point>`` in it arms that point; the first process to get
  there moves the file to ``fired/<point>`` and dies by SIGKILL. Points are before and after every statement
  of the engine, every commit, and every step of a model call.
- ``CHAOS_CLOCK_SECONDS`` shifts what the process takes for the time.
- ``CHAOS_SLOW_CANCEL_SECONDS`` stretches the moment between a cancel's look at the stages and its update of
  them.
- ``CHAOS_SABOTAGE`` takes a safeguard away: ``token``, ``lock``, ``sweep``, ``early``, ``twice``.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.core.sql import SqlStatement, shorten_sql

ENGINE = "orchestrator.flows.engine."
CALL_STEPS = (
    ("providers.limiter", "acquire"),
    ("providers.limiter", "settle"),
    ("providers.ledger", "store_response"),
    ("orchestrator.flows.engine.broker", "send_route"),
    ("orchestrator.flows.engine.store", "store_result"),
)
# What a worker passes on its way through claim, heartbeat and the ends of an attempt; the others are reached
# by other verbs.
WORKER_STATEMENTS = (
    "claim.claim_stage",
    "claim.renew_leases",
    "attempt.record_progress",
    "routes.list_remaining_stages",
    "finish.finish_stage",
    "transitions.lock_flow",
    "transitions.lock_live_stage",
    "transitions.record_event",
    "transitions.refresh_cost",
    "transitions.end_attempt",
    "transitions.fail_stage",
    "transitions.fail_flow",
    "outcome.let_stage_wait",
    "repair_round.store_repair_request",
    "repair_round.list_stages",
    "repair_round.shift_later_stages",
    "repair_round.insert_repair_round",
    "repair_round.redirect_needs",
    "transitions.rest_flow",
)


def points() -> list[str]:
    """Every point that a worker passes."""
    steps = [f"{module.rpartition('.')[2]}.{name}" for module, name in CALL_STEPS]
    return [
        f"{where}:{when}"
        for where in (*WORKER_STATEMENTS, *steps, "call", "commit")
        for when in ("before", "after")
    ]


def install() -> None:
    """Wrap what the environment asks for; in an environment without CHAOS_ variables this changes nothing."""
    if folder := os.environ.get("CHAOS_FAILPOINTS"):
        _Failpoints(Path(folder)).install()
    if seconds := float(os.environ.get("CHAOS_CLOCK_SECONDS", "0")):
        _shift_clocks(timedelta(seconds=seconds))
    if seconds := float(os.environ.get("CHAOS_SLOW_CANCEL_SECONDS", "0")):
        _slow_cancel(seconds)
    if what := os.environ.get("CHAOS_SABOTAGE"):
        SABOTAGE[what]()


class _Failpoints:
    def __init__(self, folder: Path) -> None:
        self.armed, self.fired = folder, folder / "fired"

    def reach(self, point: str) -> None:
        """Die here if the point is armed, and if nobody else has just died of it."""
        try:
            (self.armed / point).rename(self.fired / f"{point}.{os.getpid()}")
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        database = sys.modules["orchestrator.core.database"]
        database.fetch_rows = self._statements(database.fetch_rows)
        for name, function in CALL_STEPS:
            module = sys.modules[name]
            short = f"{name.rpartition('.')[2]}.{function}"
            setattr(module, function, self._around(short, getattr(module, function)))
        registry = sys.modules["providers.registry"]
        registry.get_adapter = self._adapters(registry.get_adapter)
        base = sys.modules["django.db.backends.base.base"].BaseDatabaseWrapper
        base._commit = self._around("commit", base._commit)

    def _statements(self, fetch_rows: Callable[..., Any]) -> Callable[..., Any]:
        names = {
            statement: f"{module.__name__.removeprefix(ENGINE)}.{name}"
            for module in _engine_modules()
            for name, statement in vars(module).get("_SQL", {}).items()
        }

        def wrapped(sql: Any, parameters: Any = ()) -> Any:
            name = names.get(sql)
            if name is None:
                return fetch_rows(sql, parameters)
            self.reach(f"{name}:before")
            found = fetch_rows(sql, parameters)
            self.reach(f"{name}:after")
            return found

        return wrapped

    def _around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"{name}:before")
            found = function(*args, **kwargs)
            self.reach(f"{name}:after")
            return found

        return wrapped

    def _adapters(self, get: Callable[[str], Any]) -> Callable[[str], Any]:
        reach = self.reach

        class Watched:
            def __init__(self, adapter: Any) -> None:
                self._adapter = adapter

            def __getattr__(self, name: str) -> Any:
                return getattr(self._adapter, name)

            def complete(self, request: Any) -> Any:
                reach("call:before")
                completion = self._adapter.complete(request)
                reach("call:after")
                return completion

        return lambda provider: Watched(get(provider))


def _engine_modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(ENGINE)]


def _shift_clocks(by: timedelta) -> None:
    """Every ``datetime.now`` of our modules is off by so much: only the database's clock may decide."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + by

    for name, module in list(sys.modules.items()):
        if (
            name.split(".")[0] in {"orchestrator", "providers", "gates"}
            and getattr(module, "datetime", None) is datetime
        ):
            module.datetime = Shifted  # type: ignore[attr-defined]


def _slow_cancel(seconds: float) -> None:
    pause = f"SELECT pg_sleep({seconds} + 0 * n) FROM (SELECT count(*) AS n FROM stopped) x"
    nap = f"), nap AS MATERIALIZED ({pause}), attempts AS ("
    cancel = "control.cancel_flow"
    _replace_clause(cancel, "), attempts AS (", nap)
    _replace_clause(cancel, "FROM stopped WHERE at.token", "FROM stopped, nap WHERE at.token")
    _replace_clause(cancel, "FROM stopped WHERE st.id", "FROM stopped, nap WHERE st.id")


def _replace_clause(where: str, old: str, new: str) -> None:
    """Exchange one clause of the engine's statement ``module.name``.

    Raises ``RuntimeError`` where the clause is missing: a sabotage that changes nothing would prove nothing.
    """
    module, _, name = where.partition(".")
    statements: dict[str, SqlStatement] = vars(sys.modules[ENGINE + module])["_SQL"]
    sql, old, new = statements[name].sql, shorten_sql(old), shorten_sql(new)
    if old not in sql:
        raise RuntimeError(f"{where} has no {old!r} any more: fix tests/chaos/failpoints.py")
    statements[name] = replace(statements[name], sql=sql.replace(old, new))


def _without_token() -> None:
    """A late attempt is taken for the live one."""
    _replace_clause("finish.finish_stage", " AND st.token = %(token)s", "")
    _replace_clause("transitions.lock_live_stage", " AND token = %(token)s", "")
    _replace_clause("attempt.record_progress", " AND st.token = %(token)s", "")
    heartbeat = sys.modules["orchestrator.flows.worker.heartbeat"]
    heartbeat.RunningAttempt.fence = lambda self: None


def _without_lock() -> None:
    """Verbs touch a stage without holding its flow."""
    _replace_clause("transitions.lock_flow", "FOR NO KEY UPDATE", "")
    _replace_clause("claim.claim_stage", "FOR NO KEY UPDATE OF fl", "")
    _replace_clause("finish.finish_stage", "FOR NO KEY UPDATE", "")
    _replace_clause("attempt.record_progress", "= %(flow)s FOR NO KEY UPDATE", "= %(flow)s")


def _without_sweep() -> None:
    """Nobody looks for leases that ran out or messages that got lost."""
    dispatcher = sys.modules["orchestrator.flows.scheduler.dispatcher"].Dispatcher
    dispatcher.sweep = lambda self: None
    dispatcher._resend = lambda self: None


def _start_join_early() -> None:
    """The first branch that passes starts the stage where all of them meet."""
    _replace_clause("finish.finish_stage", "needs_left = GREATEST(st.needs_left - 1, 0)", "needs_left = 0")
    _replace_clause("finish.finish_stage", "WHEN st.needs_left > 1 THEN 'pending' ", "")


def _start_join_twice() -> None:
    """Every branch that passes makes the stage ready where all of them meet, also one that is ready."""
    _start_join_early()
    _replace_clause("finish.finish_stage", "p.status = 'pending' AND", "p.status IN ('pending', 'ready') AND")
    _replace_clause("finish.finish_stage", "(NOT x.waits OR ", "(true OR ")


SABOTAGE: dict[str, Callable[[], None]] = {
    "token": _without_token,
    "lock": _without_lock,
    "sweep": _without_sweep,
    "early": _start_join_early,
    "twice": _start_join_twice,
}

"""``make rehearse``: every process replaced by one of the next release, with 200 flows under way.

A proxy (Caddy), web processes, dispatchers, an exporter and workers of every queue, each as the Procfile
starts it. The next release is a copy of this one with a column and an index more, so old code runs on the new
tables, and new code is refused until the migrations have passed. Clients submit, read and follow through the
proxy all the time. Writes ``results/rolling_update.json``.
"""

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg

from bench import rolling_processes as processes
from bench.engine_parts import compose_model_settings
from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.private_postgres import read_server_version, run_durable_postgres
from bench.rolling_clients import Follower, Load
from bench.rolling_processes import Fleet, Place, RehearsalFailed, Release
from bench.scale import choose_size
from bench.simulated import read_counters, run_simulator
from orchestrator.dev import embedded, forking, stack

IN_FLIGHT: Final = choose_size(250, 12)
# A flow takes longer than a web process to leave, or no follower would be cut.
LATENCY: Final = choose_size("5-10", "3-4")
FLOW_TYPE: Final = choose_size("rolling", "rolling_short")
REPLICAS: Final = choose_size(
    {"web": 3, "google": 2, "anthropic": 2, "openai": 2, "gates": 2, "control": 2, "dispatcher": 2},
    {"web": 2, "google": 1, "control": 1, "dispatcher": 1},
) | {"exporter": 1}
REPOS: Final = tuple(f"rolling-{number}" for number in range(choose_size(5, 1)))
PROVIDERS: Final = ("google", "openai", "anthropic")
PATIENCE_SECONDS: Final = 300.0
GOALS: Final[Goals] = {
    "flows_not_passed": at_most(0, exact=True),
    "stages_run_twice": at_most(0, exact=True),
    "stages_passed_twice": at_most(0, exact=True),
    "calls_made_twice": at_most(0, exact=True),
    "answers_5xx": at_most(0, exact=True),
    "requests_without_answer": at_most(0, exact=True),
    "followers_cut_for_good": at_most(0, exact=True),
    "events_missed_or_doubled": at_most(0, exact=True),
    "answers_before_ready": at_most(0, exact=True),
    "new_code_accepted_before_migration": at_most(0, exact=True),
    "killed_after_grace": at_most(0, exact=True),
    "frozen_killed_after_grace": at_least(1, exact=True),
    "processes_replaced": at_least(sum(REPLICAS.values()), exact=True),
    "flows_in_flight_least": at_least(choose_size(200, 1)),
    "followers_that_reconnected": at_least(1, exact=True),
}
UNDER_WAY = "SELECT count(*) FROM flows_flow WHERE finished_at IS NULL"
TWICE = """
SELECT count(*) FROM (
    SELECT stage_id FROM flows_attempt WHERE stage_id <> ALL(%s) GROUP BY stage_id HAVING count(*) > 1
) twice
"""
PASSED_TWICE = """
SELECT count(*) FROM (
    SELECT stage_id FROM flows_flowevent WHERE kind = 'stage.passed' GROUP BY stage_id HAVING count(*) > 1
) twice
"""
HELD = "SELECT stage_id FROM flows_attempt WHERE outcome = 'running' AND worker LIKE %s"
EVENTS = "SELECT id FROM flows_flowevent WHERE flow_id = %s ORDER BY id"


def say(line: str) -> None:
    """A line of progress, at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {line}\n")
    sys.stdout.flush()


@dataclass
class Rehearsal:
    """Both releases on the same servers, the proxy and the clients."""

    fleet: Fleet
    old: Release
    new: Release
    load: Load
    database: str
    held: list[int] = field(default_factory=list)
    """The stages that a killed worker held. Only these may run again."""

    def count(self, query: str, *values: Any) -> int:
        """The one number that a query answers with."""
        return int(self.list_values(query, *values)[0])

    def list_values(self, query: str, *values: Any) -> list[Any]:
        """The first column of what a query answers with."""
        with psycopg.connect(self.database) as connection:
            return [row[0] for row in connection.execute(query, values).fetchall()]

    def wait_for_flows(self, flows: int) -> None:
        """Wait until so many are under way."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.load.under_way < flows:
            if time.monotonic() > end:
                raise RehearsalFailed(f"{self.load.under_way} flows are under way, not {flows}")
            time.sleep(0.1)


@contextlib.contextmanager
def run_rehearsal(folder: Path) -> Iterator[Rehearsal]:
    """The old release running and ready, and the new one copied and loaded."""
    servers = contextlib.ExitStack()
    with servers:
        server = servers.enter_context(run_durable_postgres())
        broker = servers.enter_context(embedded.run_valkey())
        urls = servers.enter_context(run_simulator(latency=LATENCY))
        models = compose_model_settings({key: value for key, value in urls.items() if key != "control"})
        values = os.environ | processes.compose_values(server.url, broker, models)
        values["CONTROL_URL"] = urls["control"]
        values["PYTHONPATH"] = str(stack.ROOT)
        old_zygote = servers.enter_context(forking.run_zygote(values, folder / "zygote-old.log", stack.ROOT))
        release = processes.make_next_release(folder / "next")
        # The new release finds itself, and not the checkout.
        new_values = values | {"PYTHONPATH": str(release)}
        new_zygote = servers.enter_context(forking.run_zygote(new_values, folder / "zygote-new.log", release))
        old = Release("old", stack.ROOT, old_zygote)
        new = Release("new", release, new_zygote)
        places = [Place(kind, n + 1) for kind, replicas in REPLICAS.items() for n in range(replicas)]
        web_ports = [embedded.find_free_port() for _ in range(2 * REPLICAS["web"] + 1)]
        exporter_ports = [embedded.find_free_port() for _ in range(2)]
        proxy = processes.start_proxy(folder, web_ports, exporter_ports)
        servers.callback(proxy.stop)
        fleet = Fleet(values, folder, places, list(web_ports), list(exporter_ports))
        servers.callback(fleet.stop)
        say("Migrating with the old release, and starting its processes")
        code, said = fleet.run_command(old, "migrate", "-v", "0", "--skip-checks")
        if code != 0:
            raise RehearsalFailed(said)
        for repo in REPOS:
            code, said = fleet.run_command(old, "register_repo", repo)
        code, said = fleet.run_command(old, "create_token", "rehearsal", "--operator")
        if code != 0:
            raise RehearsalFailed(said)
        fleet.places[:] = [fleet.start(place, old) for place in places]
        fleet.wait_until_ready(*fleet.places)
        load = Load(
            proxy.port,
            proxy.exporter_port,
            said.split()[-1],
            REPOS,
            FLOW_TYPE,
            IN_FLIGHT,
            partial(count_under_way, server.url),
            choose_size(10, 1),
        )
        yield Rehearsal(fleet, old, new, load, server.url)


def count_under_way(database: str) -> int:
    """How many flows have not ended."""
    with psycopg.connect(database) as connection:
        row = connection.execute(UNDER_WAY).fetchone()
    return int(row[0]) if row else 0


def refuse_new_code(rehearsal: Rehearsal) -> tuple[int, str]:
    """Before the migrations: how often new code was accepted all the same, and where its web process was.

    A worker of it does not start, because `migrate --check` comes first; a web process starts, and does not
    say that it is ready.
    """
    fleet, accepted = rehearsal.fleet, 0
    code, _ = fleet.run_command(rehearsal.new, "migrate", "--check", "--skip-checks")
    accepted += code == 0
    early = fleet.start(Place("web", 99), rehearsal.new)
    try:
        # Long enough for several probes of the proxy after it listens.
        end = time.monotonic() + choose_size(8.0, 4.0)
        while time.monotonic() < end:
            accepted += fleet.is_ready(early)
            time.sleep(0.1)
    finally:
        fleet.end(early)
    return accepted, f"127.0.0.1:{early.port}"


def replace(rehearsal: Rehearsal, place: Place) -> tuple[Place, float]:
    """One process by one of the new release: first the new one is ready, then the old one ends.

    Returns the new one, and the time at which it was ready, by the machine's clock.
    """
    fleet = rehearsal.fleet
    # As the init container of every pod.
    code, said = fleet.run_command(rehearsal.new, "migrate", "--check", "--skip-checks")
    if code != 0:
        raise RehearsalFailed(f"the migrations of the new release are missing: {said}")
    fresh = fleet.start(place, rehearsal.new)
    fleet.places[fleet.places.index(place)] = fresh
    try:
        fleet.wait_until_ready(fresh)
        ready_at = time.time()
        # `minReadySeconds`: the proxy has seen it, and a worker has taken work.
        time.sleep(choose_size(2.0, 1.0))
    finally:
        ended = fleet.end(place)
    under_way = rehearsal.load.under_way
    say(f"{place.name} replaced; the old one left in {ended:.1f} s, {under_way} flows are under way")
    return fresh, ready_at


def kill_frozen_worker(rehearsal: Rehearsal) -> dict[str, int]:
    """A worker that does not react to SIGTERM, with stages in its hands: SIGKILL ends it after the grace
    period, and another one takes its stages when their leases have run out.
    """
    fleet = rehearsal.fleet
    place = next(one for one in fleet.places if one.kind == "google")
    pattern = f"%:{place.running.pid}:%"
    end = time.monotonic() + PATIENCE_SECONDS
    while len(rehearsal.list_values(HELD, pattern)) < 2:
        if time.monotonic() > end:
            raise RehearsalFailed(f"{place.name} takes no stage")
        time.sleep(0.05)
    place.running.send_signal(signal.SIGSTOP)
    rehearsal.held = rehearsal.list_values(HELD, pattern)
    fresh = fleet.start(place, rehearsal.new)
    fleet.places[fleet.places.index(place)] = fresh
    killed = fleet.killed
    try:
        fleet.wait_until_ready(fresh)
    finally:
        fleet.end(place, grace=2.0)
    say(f"{place.name} did not react to SIGTERM and was killed with {len(rehearsal.held)} stages")
    return {"frozen_killed_after_grace": fleet.killed - killed, "frozen_held_stages": len(rehearsal.held)}


def update(rehearsal: Rehearsal) -> dict[str, Any]:
    """Roll the new release out while the clients work; what was measured on the way."""
    load, fleet = rehearsal.load, rehearsal.fleet
    load.begin()
    rehearsal.wait_for_flows(int(0.9 * IN_FLIGHT))
    say(f"{load.under_way} flows are under way; starting new code before its migrations")
    accepted, early = refuse_new_code(rehearsal)
    say("New code was refused; migrating while the old release serves")
    began = time.monotonic()
    code, said = fleet.run_command(rehearsal.new, "migrate", "-v", "0", "--skip-checks")
    if code != 0:
        raise RehearsalFailed(f"the migrations of the new release failed: {said}")
    migrated = time.monotonic() - began
    ready_at = {}
    for place in list(fleet.places):
        fresh, ready = replace(rehearsal, place)
        if fresh.kind == "web":
            ready_at[f"127.0.0.1:{fresh.port}"] = ready
    first_answers = load.counts.served_by
    too_early = [early] if early in first_answers else []
    # The proxy's own probe may see it ready a moment before the rehearsal does.
    too_early += [one for one, ready in ready_at.items() if first_answers.get(one, ready) < ready - 1.0]
    return {
        "answers_before_ready": len(too_early),
        "flows_in_flight_least": load.least,
        "killed_after_grace": fleet.killed,
        "migration_seconds": round(migrated, 2),
        "new_code_accepted_before_migration": accepted,
        "processes_replaced": sum(place.release == "new" for place in fleet.places),
        "roll_seconds": round(time.monotonic() - began, 1),
        "web_processes_new_that_answered": len(set(ready_at) & set(first_answers)),
    }


def rest(rehearsal: Rehearsal) -> None:
    """Submit nothing more, and wait until every flow has ended."""
    rehearsal.load.stop_submitting()
    end = time.monotonic() + PATIENCE_SECONDS
    while rehearsal.count(UNDER_WAY):
        if time.monotonic() > end:
            return
        time.sleep(0.2)


def judge_followers(rehearsal: Rehearsal, followers: list[Follower]) -> dict[str, int]:
    """What the followers have seen, beside what the database holds."""
    wrong = 0
    with psycopg.connect(rehearsal.database) as connection:
        for follower in followers:
            stored = [row[0] for row in connection.execute(EVENTS, [follower.flow]).fetchall()]
            wrong += follower.seen != stored
    return {
        "followers": len(followers),
        "followers_cut_for_good": sum(not follower.ended for follower in followers),
        "followers_that_reconnected": sum(follower.connections > 1 for follower in followers),
        "events_missed_or_doubled": wrong,
    }


def judge_run(rehearsal: Rehearsal) -> dict[str, Any]:
    """What the clients, the database and the simulated vendors say."""
    load, counts = rehearsal.load, rehearsal.load.counts
    control = {"control": rehearsal.fleet.values["CONTROL_URL"]}
    answered = sum(read_counters(control, provider).get("requests", 0) for provider in PROVIDERS)
    calling = rehearsal.count(
        "SELECT count(*) FROM flows_stage WHERE kind IN ('scout', 'draft', 'critic', 'scribe')"
    )
    # A worker that is killed between the request and the answer has asked for nothing.
    lost = rehearsal.count(
        "SELECT count(*) FROM flows_attempt WHERE stage_id = ANY(%s) AND number > 1", rehearsal.held
    )
    passed = rehearsal.count("SELECT count(*) FROM flows_flow WHERE status = 'passed'")
    server_errors = sum(number for status, number in counts.statuses.items() if status >= 500)
    for line in [*counts.refused[:5], *counts.broken[:5]]:
        say(line)
    if server_errors:
        # Why the proxy had no answer, or the web process a bad one.
        for log in (rehearsal.fleet.logs / "caddy.log", *rehearsal.fleet.logs.glob("web-*.log")):
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
                if '"level": "error"' in line or '"level":"error"' in line:
                    say(f"{log.stem}: {line[-2500:]}")
    return {
        "flows": len(load.flows),
        "flows_not_passed": len(load.flows) - passed,
        "stages": rehearsal.count("SELECT count(*) FROM flows_stage"),
        "stages_run_twice": rehearsal.count(TWICE, rehearsal.held),
        "stages_passed_twice": rehearsal.count(PASSED_TWICE),
        "calls_made_twice": max(0, answered - calling - lost),
        "frozen_stages_run_again": lost,
        "requests": counts.statuses.total(),
        "answers_4xx": sum(number for status, number in counts.statuses.items() if 400 <= status < 500),
        "answers_5xx": server_errors,
        "requests_without_answer": len(counts.broken),
        **judge_followers(rehearsal, load.followers),
    }


def main() -> int:
    """Rehearse, write ``results/rolling_update.json``; 1 if a goal was missed."""
    if not processes.CADDY.exists():
        sys.stderr.write("There is no caddy beside this Python: type `make setup`.\n")
        return 1
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="rolling-") as folder, run_rehearsal(Path(folder)) as rehearsal:
        results = update(rehearsal)
        say("Every process is new; freezing a worker before its SIGTERM")
        results |= kill_frozen_worker(rehearsal)
        rest(rehearsal)
        results |= judge_run(rehearsal)
        results["postgresql"] = read_server_version(rehearsal.database)
    results["in_flight"] = IN_FLIGHT
    results["load_average"] = round(max(before, os.getloadavg()[0]), 1)
    write_results("rolling_update", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())

"""What the product's statements read when a million flows have ended: judged by their plans, never by time.

Each statement of each scene ran once, and its plan is the one that ran. ``PLAN_FLOWS`` asks for another
number of flows; below some 100,000 the planner has reasons to read whole tables.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections

from bench.ops_scale_driver import DAYS
from tests.acceptance import busy_service, ended_flows, query_plans
from tests.acceptance.query_plans import PlanCollector, StatementPlan
from tests.own_postgres import OwnPostgres, run_own_postgres

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(7200)]

FLOWS = int(os.environ.get("PLAN_FLOWS", "1000000"))
# One written row, or a page of them, may cost so many that are read; what lives may be read whole.
TIMES, AT_LEAST = 20, 5 * busy_service.LIVE
# Blocks for each row: an index of a million rows is four blocks deep.
BLOCKS_PER_ROW, BLOCKS_AT_LEAST = 12, 1500
# A day of calls, of events of flows, and of verdicts, with the hours around it.
DAY = 12 * FLOWS // DAYS + AT_LEAST
# As rare as what fails here, which a filter by it has to read.
RARE = max(FLOWS // 100, 100 * busy_service.PAGE) + 2 * AT_LEAST
# What has to look at more than it gives, and why that ends.
BOUNDED = (
    ("measure_stages", 20_000, "the newest 8,000 attempts, once a minute"),
    ("measure_models", 20_000, "the newest 3,000 calls of each provider, once in a scrape"),
    ("create_flow|measure_repo_use", FLOWS // 10 + AT_LEAST, "sizes in an index; REPO_STORED_MB ends them"),
    ("UPDATE providers_|read_uses|read_provider_charges", DAY, "the last day of the ledger"),
    ("INSERT INTO rollups_", 2 * DAY, "a day is counted from its rows"),
    (r'.*SUM\("providers_providercall"."cost_usd"\)', DAY, "what the last day has cost"),
    (r'SELECT COUNT\("flows_flow"."id"\) FILTER', DAY, "flows of the last day, by how they ended"),
    (".*FROM rollups_", DAY, "what has happened since the last count of days"),
    (".*WHERE .*flows_flowevent", DAY, "the ends of a day"),
    ("count_standing_flows", RARE, "those that have failed"),
    (".*WHERE .*(\"error_code\"|'failed')", RARE, "those that have failed"),
    ('.*WHERE .*"created_by" =', FLOWS // 40 + AT_LEAST, "the flows of one person"),
    (".*OFFSET 10000|.*nothing has these words", 30_000, "the newest 10,000"),
)
# At each look of the dispatcher, and for each new flow.
ALWAYS = {
    "has_live_stages",
    "find_expired_leases",
    "find_overdue_flows",
    "release_due_stages",
    "hold_ready_stages",
    "release_held_stages",
    "list_awaited_providers",
    "find_untagged_stages",
    "count_outstanding",
    "take_next_stages",
    "take_lost_stages",
    "create_flow",
}


@contextmanager
def use_server(server: OwnPostgres) -> Iterator[None]:
    """Django's own connection leads to ``server``."""
    settings = connections.databases["default"]
    own = dict(settings)
    _leave_server()
    settings |= {"NAME": "blocks", "HOST": str(server.sockets), "PORT": "", "USER": "postgres"}
    try:
        yield
    finally:
        _leave_server()
        settings |= own


def _leave_server() -> None:
    connection.close()
    connection.close_pool()


@pytest.fixture(scope="module")
def collected(django_db_setup, django_db_blocker) -> Iterator[tuple[PlanCollector, frozenset[str]]]:
    """The plans of every scene, and the tables that grow."""
    with django_db_blocker.unblock(), run_own_postgres() as server:
        server.run("ALTER SYSTEM SET max_wal_size = '16GB'")
        server.run("ALTER SYSTEM SET autovacuum = off")
        server.control("reload")
        with use_server(server):
            ended_flows.seed_year(FLOWS)
            query_plans.report_plans()
            growing = query_plans.find_growing_tables(FLOWS // 4)
            collector = PlanCollector(busy_service.SCENERY)
            with collector.listen(), busy_service.run_service() as service:
                for name, scene in service.list_scenes():
                    with collector.play(name):
                        scene()
        yield collector, growing


def judge(one: StatementPlan, growing: frozenset[str]) -> str:
    """What is wrong with a plan; empty where nothing is."""
    scanned = sorted({scan.table for scan in one.scans if scan.table in growing and scan.kind == "Seq Scan"})
    if scanned:
        return f"reads all of {', '.join(scanned)}"
    read = sum(scan.rows for scan in one.scans if scan.table in growing)
    most = AT_LEAST + TIMES * one.rows
    if read > most:
        bounds = [rows for pattern, rows, _ in BOUNDED if re.match(pattern, one.name, re.S)]
        most = max(bounds, default=most)
    if read > most:
        return f"reads {read} rows for {one.rows}"
    if not one.scans:
        # It calls a function. The statements in there are judged by themselves; the first call of a session
        # also looks up in the catalogue what they name.
        return ""
    blocks = BLOCKS_AT_LEAST + BLOCKS_PER_ROW * max(read, one.rows)
    return f"looks at {one.blocks} blocks for {read} rows" if one.blocks > blocks else ""


def test_no_statement_reads_more_than_it_gives(collected):
    collector, growing = collected
    assert {"flows_flow", "flows_stage", "flows_flowevent", "providers_providercall"} <= growing
    faults = {
        f"{scene}: {one.name[:200]}: {fault}"
        for scene, plans in collector.plans.items()
        for one in plans
        if (fault := judge(one, growing))
    }
    assert not faults, "\n".join(sorted(faults))


def test_what_runs_all_the_time_was_seen(collected):
    collector, _ = collected
    seen = {one.name for plans in collector.plans.values() for one in plans}
    assert seen >= ALWAYS


@pytest.mark.parametrize(
    ("kind", "rows", "fault"),
    [
        ("Seq Scan", 1, "reads all of flows_flow"),
        ("Index Scan", AT_LEAST, ""),
        ("Index Scan", 100 * AT_LEAST, f"reads {100 * AT_LEAST} rows for 1"),
    ],
)
def test_a_plan_that_reads_too_much_is_found(kind, rows, fault):
    below = {"Node Type": kind, "Relation Name": "flows_flow", "Actual Rows": rows, "Actual Loops": 1}
    plan = {"Node Type": "Limit", "Actual Rows": 1, "Actual Loops": 1, "Plans": [below]}
    assert judge(StatementPlan("", plan, "SELECT 1"), frozenset({"flows_flow"})) == fault

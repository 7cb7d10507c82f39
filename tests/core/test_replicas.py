"""Where reports are read: real streaming replicas that lag, stop, return, are promoted, lose their primary.

Django's primary is the test's database. The replicas follow another server with the same tables, so that a
count of rows tells where it was read.
"""

import time
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, ProgrammingError, connection, connections, transaction
from django.db.utils import InternalError
from django.test import Client

from orchestrator import settings as product_settings
from orchestrator.core import database, replicas
from orchestrator.ops.observability import part_health
from orchestrator.repos.models import Repo
from tests import scenes
from tests.core.replica_servers import name_replicas
from tests.own_postgres import OwnPostgres, run_own_postgres

pytestmark = pytest.mark.slow
SECONDS = 5.0
READ_COUNT = "SELECT count(*) AS repos FROM repos"


@pytest.fixture(scope="module")
def followed(django_db_setup: None) -> Iterator[OwnPostgres]:
    """The server that replicas follow."""
    with run_own_postgres() as server:
        yield server


@pytest.fixture
def add_replica(transactional_db, followed, monkeypatch) -> Iterator[Callable[[str], OwnPostgres]]:
    """Start a replica and name it in the settings; all are gone after the test."""
    monkeypatch.setattr(replicas, "REST_SECONDS", 0.5)
    replicas.rests.end_all()
    with name_replicas(followed) as add:
        yield add


def read_where() -> str:
    """Which database a report is read from now."""
    return replicas.read_report(database.current_alias, SECONDS)


def wait_for(expected: str) -> None:
    end = time.monotonic() + 30
    while (found := read_where()) != expected:
        assert time.monotonic() < end, f"reads come from {found}"
        time.sleep(0.1)


def count_repos() -> tuple[int, int]:
    """By a statement, and by a model."""
    return database.fetch_row(READ_COUNT).repos, Repo.objects.count()


def test_reports_are_read_from_a_replica_in_turn_and_everything_else_from_the_primary(add_replica):
    add_replica("replica1")
    add_replica("replica2")
    scenes.make_repo("only-here")
    assert {read_where() for _ in range(4)} == {"replica1", "replica2"}
    assert replicas.read_report(count_repos, SECONDS) == (0, 0)
    assert count_repos() == (1, 1)
    # A transaction that is open must see what it has written.
    with transaction.atomic():
        scenes.make_repo("another")
        assert replicas.read_report(count_repos, SECONDS) == (2, 2)
    # No connection is held between two reports.
    assert connections["replica1"].connection is None


def test_nothing_is_written_while_a_report_is_read(add_replica):
    replica = add_replica("replica1")
    with pytest.raises(replicas.ReplicaWriteError, match="Repo is written"):
        replicas.read_report(lambda: scenes.make_repo("new"), SECONDS)
    with pytest.raises(InternalError, match="read-only"):
        replicas.read_report(lambda: database.fetch_rows("DELETE FROM repos"), SECONDS)
    # By the session too, where the server would take it: a replica that somebody promotes in the middle.
    replica.control("-w", "promote")
    with (
        database.read_from("replica1"),
        pytest.raises(InternalError, match="read-only"),
    ):
        database.fetch_rows("DELETE FROM repos")


def test_a_replica_that_lags_is_left_alone_until_it_has_caught_up(
    add_replica, followed, settings, monkeypatch
):
    replica = add_replica("replica1")
    wait_for("replica1")
    settings.REPLICA_MAX_LAG_SECONDS = 1
    replica.run("SELECT pg_wal_replay_pause()")
    followed.run("CREATE TABLE late (id int)")
    # Long enough for the pages of a slow machine.
    monkeypatch.setattr(replicas, "REST_SECONDS", 60)
    wait_for("default")
    told = Client().get("/ready")
    assert told.status_code == 200
    assert told.json()["replicas"]["replica1"].startswith("left alone: it is ")
    time.sleep(1.2)
    (found,) = part_health.read_replicas()
    assert found.lag_seconds > 1
    replica.run("SELECT pg_wal_replay_resume()")
    replicas.rests.end_all()
    wait_for("replica1")
    assert Client().get("/ready").json()["replicas"] == {"replica1": "read"}
    (found,) = part_health.read_replicas()
    assert found.lag_seconds < 1
    followed.run("DROP TABLE late")


def test_a_replica_that_stops_costs_one_try_and_is_read_again_when_it_is_back(add_replica):
    replica = add_replica("replica1")
    wait_for("replica1")
    replica.stop("immediate")
    # To see it takes a try, and the report is answered all the same.
    assert read_where() == "default"
    begun = time.monotonic()
    assert read_where() == "default"
    assert time.monotonic() - begun < 0.4
    assert part_health.read_replicas()[0].lag_seconds is None
    replica.start()
    wait_for("replica1")


def test_a_report_that_a_replica_breaks_off_is_read_again_on_the_primary(add_replica):
    replica = add_replica("replica1")
    wait_for("replica1")
    places = []

    def read_twice() -> str:
        places.append(database.current_alias())
        if len(places) == 1:
            replica.stop("immediate")
        database.fetch_rows(READ_COUNT)
        return database.current_alias()

    assert replicas.read_report(read_twice, SECONDS) == "default"
    assert places == ["replica1", "default"]


def test_a_promoted_replica_has_another_history_and_is_not_read(add_replica):
    replica = add_replica("replica1")
    wait_for("replica1")
    replica.control("-w", "promote")
    wait_for("default")
    assert part_health.read_replicas()[0].lag_seconds is None


def test_a_replica_without_its_primary_is_read_as_long_as_it_is_fresh(add_replica, followed, settings):
    add_replica("replica1")
    # What it applies last tells its age from now on.
    followed.run("CREATE TABLE fresh (id int)")
    followed.run("DROP TABLE fresh")
    settings.REPLICA_MAX_LAG_SECONDS = 3
    followed.stop("immediate")
    try:
        assert read_where() == "replica1"
        # Nothing arrives any more, so all that has arrived is applied. It is behind all the same.
        wait_for("default")
    finally:
        followed.start()


def test_a_table_that_has_not_arrived_yet_is_read_on_the_primary(add_replica):
    add_replica("replica1")
    wait_for("replica1")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (id int)")
    try:
        assert replicas.read_report(lambda: database.fetch_rows("SELECT * FROM newer"), SECONDS) == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE newer")
    replicas.rests.end_all()
    with pytest.raises(ProgrammingError, match="syntax"):
        replicas.read_report(lambda: database.fetch_rows("SELECT FROM FROM"), SECONDS)


def test_a_slow_report_is_not_run_again_on_the_primary(add_replica):
    add_replica("replica1")
    wait_for("replica1")
    places = []

    def sleep() -> None:
        places.append(database.current_alias())
        database.fetch_rows("SELECT pg_sleep(5)")

    with pytest.raises(OperationalError) as caught:
        replicas.read_report(sleep, 0.2)
    assert database.was_cancelled(caught.value)
    assert places == ["replica1"]


def test_reports_and_dashboards_are_read_there(add_replica, admin_client, monkeypatch):
    add_replica("replica1")
    places: set[str] = set()
    ask = database.fetch_rows

    def note(statement, parameters=()):
        if "rollups_" in str(statement):
            places.add(database.current_alias())
        return ask(statement, parameters)

    monkeypatch.setattr(database, "fetch_rows", note)
    for place in ("/dashboards/reliability/", "/dashboards/cost/spend-by-day.csv", "/admin/"):
        places.clear()
        assert admin_client.get(place).status_code == 200, place
        assert places == {"replica1"}, place


def test_pools_of_replicas_open_nothing_by_themselves():
    parsed = product_settings._parse_replica_url("postgres://reader@replica/blocks", pool_size=7)
    pool = parsed["OPTIONS"]["pool"]
    assert (pool["min_size"], pool["max_size"]) == (0, 7)

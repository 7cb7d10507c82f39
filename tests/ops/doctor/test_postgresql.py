"""What the doctor says of PostgreSQL, on real servers: a primary, replicas, and PgBouncer before it.

The primary of the settings is a server of these tests here, so that its replicas can be broken.
"""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections

from orchestrator.core import pooler
from orchestrator.dev import embedded
from orchestrator.ops.doctor import postgresql
from orchestrator.ops.doctor.finding import FindingState, ServerFinding
from tests import pgbouncer
from tests.core.replica_servers import name_replicas
from tests.own_postgres import OwnPostgres, run_own_postgres

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def followed(django_db_setup: None) -> Iterator[OwnPostgres]:
    """The server that replicas follow."""
    with run_own_postgres() as server:
        yield server


@pytest.fixture
def primary(followed, settings, monkeypatch) -> OwnPostgres:
    """The same, as the primary of the settings for what the doctor asks past Django's connection."""
    here = settings.DATABASES["default"] | {"HOST": str(followed.sockets), "PORT": "", "NAME": "blocks"}
    here |= {"USER": "postgres", "PASSWORD": ""}
    monkeypatch.setitem(settings.DATABASES, "default", here)
    parameters = connections["default"].get_connection_params()
    where = {"host": str(followed.sockets), "dbname": "blocks", "user": "postgres"}
    monkeypatch.setattr(connections["default"], "get_connection_params", lambda: parameters | where)
    return followed


def examine() -> dict[str, ServerFinding]:
    """What was found, by its name; of several the last."""
    return {one.name: one for one in postgresql.examine_postgresql()}


def test_a_primary_with_two_replicas_is_well(primary, settings):
    with name_replicas(primary) as add:
        add("replica1")
        add("replica2")
        found = examine()
    assert list(found) == ["database", "pooler", "connections", "migrations", "replica1", "replica2"]
    assert found["pooler"].found.startswith("none")
    assert f"may open {postgresql.POOLS_AT_MOST}" in found["connections"].found
    for name in ("replica1", "replica2"):
        assert found[name].state == FindingState.OK
        assert "s behind (read up to 60 s), with all migrations" in found[name].found


@pytest.mark.slow
def test_each_trouble_of_a_replica_is_named_and_hides_no_other(primary, settings, followed):
    settings.REPLICA_MAX_LAG_SECONDS = 1
    with name_replicas(primary) as add:
        late, gone, promoted = add("replica1"), add("replica2"), add("replica3")
        late.run("SELECT pg_wal_replay_pause()")
        primary.run("INSERT INTO django_migrations (app, name, applied) VALUES ('flows', 'new', now())")
        gone.stop("immediate")
        promoted.control("-w", "promote")
        try:
            late.run("SELECT pg_sleep(1.2)")
            found = examine()
        finally:
            primary.run("DELETE FROM django_migrations WHERE name = 'new'")
    assert {found[f"replica{number}"].state for number in (1, 2, 3)} == {FindingState.WRONG}
    assert "1 migrations have not arrived" in found["replica1"].found
    assert found["replica2"].found == "does not answer: OperationalError"
    assert found["replica3"].found.startswith("is a primary")
    assert all(found[f"replica{number}"].cure for number in (1, 2, 3))


def test_a_replica_of_another_cluster_and_a_primary_that_is_one_are_wrong(followed, settings, monkeypatch):
    # The primary is the test's own here.
    with name_replicas(followed) as add:
        replica = add("replica1")
        assert "another cluster" in examine()["replica1"].found
        where = {"host": str(replica.sockets), "dbname": "blocks", "user": "postgres"}
        parameters = connections["default"].get_connection_params() | where
        monkeypatch.setattr(connections["default"], "get_connection_params", lambda: parameters)
        (found,) = examine().values()
        assert (found.name, found.state) == ("database", FindingState.WRONG)
        assert "is a replica and takes no writes" in found.found


def test_a_server_that_is_away_is_said_in_time_and_exits_with_1(monkeypatch):
    where = {"host": "127.0.0.1", "port": embedded.find_free_port()}
    parameters = connections["default"].get_connection_params() | where
    monkeypatch.setattr(connections["default"], "get_connection_params", lambda: parameters)
    output = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("doctor", "servers", "--json", stdout=output)
    assert caught.value.code == 1
    told = json.loads(output.getvalue())
    assert told["ok"] is False
    (database,) = [one for one in told["checks"] if one["name"] == "database"]
    assert database["state"] == "wrong"
    assert database["cure"]


def test_connections_are_judged_by_what_the_server_takes(monkeypatch):
    def judge(used: int, bound: int) -> str:
        row = type("Row", (), {"used": used, "bound": bound})
        monkeypatch.setattr(postgresql.health_metrics, "read_connections", lambda: row)
        return str(postgresql._examine_connections().state)

    states = [judge(20, 270), judge(20, 97), judge(260, 400), judge(190, 200)]
    assert states == ["ok", "note", "note", "wrong"]


@pytest.mark.skipif(pgbouncer.PROGRAM is None, reason="needs PgBouncer: apt install pgbouncer")
def test_a_pooler_is_seen_and_its_wrong_mode_is_told(settings, monkeypatch):
    own = settings.DATABASES["default"]
    target = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"], "password": own["PASSWORD"]}
    target |= {"dbname": own["NAME"]}
    with connections["default"].cursor() as cursor:
        pgbouncer.set_plan_mode(cursor, "force_generic_plan")
    try:
        for mode, state in (("session", FindingState.OK), ("transaction", FindingState.WRONG)):
            options = pgbouncer.SESSION_OPTIONS | {"pool_mode": mode}
            with pgbouncer.run_pgbouncer(target, options) as port:
                changed = {"HOST": "127.0.0.1", "PORT": str(port), "NAME": pgbouncer.NAME}
                monkeypatch.setitem(settings.DATABASES, "default", own | changed)
                assert pooler.find_pooler()
                found = examine()["pooler"]
            assert (found.state, mode in found.found) == (state, True)
    finally:
        monkeypatch.setitem(settings.DATABASES, "default", own)
        with connections["default"].cursor() as cursor:
            pgbouncer.set_plan_mode(cursor, "DEFAULT")

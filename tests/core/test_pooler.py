"""A pooler between the product and PostgreSQL: a real PgBouncer, where it is installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from orchestrator.core.pooler import require_own_sessions
from orchestrator.dev import embedded
from tests import pgbouncer

with_pgbouncer = pytest.mark.skipif(
    pgbouncer.PROGRAM is None, reason="needs PgBouncer: apt install pgbouncer"
)
Start = Callable[..., None]


@pytest.fixture
def start_pooler(settings, monkeypatch) -> Iterator[Start]:
    """Starts a PgBouncer before the server of the tests, and points ``default`` at it."""
    own = settings.DATABASES["default"]
    target = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"], "password": own["PASSWORD"]}
    target |= {"dbname": own["NAME"]}
    with ExitStack() as stack:

        def start(options: dict[str, str]) -> None:
            port = stack.enter_context(pgbouncer.run_pgbouncer(target, options))
            changed = {"HOST": "127.0.0.1", "PORT": str(port), "NAME": pgbouncer.NAME}
            monkeypatch.setitem(settings.DATABASES, "default", own | changed)

        yield start


@pytest.mark.django_db
def test_a_server_without_a_pooler_is_taken() -> None:
    require_own_sessions()
    assert run_checks(tags=["database"], databases=["default"]) == []


def test_a_database_that_is_away_is_not_refused(settings, monkeypatch) -> None:
    own = settings.DATABASES["default"]
    away = own | {"HOST": "127.0.0.1", "PORT": str(embedded.find_free_port())}
    monkeypatch.setitem(settings.DATABASES, "default", away)
    require_own_sessions()


@with_pgbouncer
@pytest.mark.parametrize("more", [{}, {"server_round_robin": "1"}])
def test_a_pooler_in_transaction_mode_is_refused_with_the_reason(start_pooler: Start, more) -> None:
    start_pooler(pgbouncer.SESSION_OPTIONS | {"pool_mode": "transaction"} | more)
    with pytest.raises(ImproperlyConfigured, match=r"pool_mode = transaction.*pool_mode = session"):
        require_own_sessions()
    (said,) = run_checks(tags=["database"], databases=["default"])
    assert said.id == "core.E001"


@with_pgbouncer
def test_what_a_pooler_in_session_mode_needs_is_said(start_pooler: Start) -> None:
    start_pooler({"pool_mode": "session"})
    with pytest.raises(ImproperlyConfigured, match="ignore_startup_parameters = options"):
        require_own_sessions()
    start_pooler(pgbouncer.SESSION_OPTIONS)
    with pytest.raises(ImproperlyConfigured, match=r"ALTER ROLE \S+ SET plan_cache_mode"):
        require_own_sessions()


@with_pgbouncer
@pytest.mark.django_db(transaction=True)
def test_a_pooler_in_session_mode_with_its_settings_is_taken(start_pooler: Start) -> None:
    with connection.cursor() as own:
        pgbouncer.set_plan_mode(own, "force_generic_plan")
    try:
        start_pooler(pgbouncer.SESSION_OPTIONS)
        require_own_sessions()
    finally:
        with connection.cursor() as own:
            pgbouncer.set_plan_mode(own, "DEFAULT")

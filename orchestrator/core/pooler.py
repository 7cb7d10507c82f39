"""Refuses a pooler that changes sessions between transactions (PgBouncer: pool_mode = transaction).

The leader holds a lock of its session, and statements are prepared once a session. Behind such a pooler there
would be two leaders, and statements of strangers. A pooler in session mode is welcome.
"""

from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.checks import CheckMessage, Critical, Tags, register
from django.core.exceptions import ImproperlyConfigured

_CURE: Final = (
    "Point DATABASE_URL at PostgreSQL, or give PgBouncer's database pool_mode = session; docs/reference/"
    "settings.md describes it."
)
_CONNECT_SECONDS: Final = 3
_LOOKS: Final = 5


def require_own_sessions(alias: str = "default") -> None:
    """Raise ``ImproperlyConfigured`` where ``DATABASE_URL`` leads to a pooler that this product cannot use.

    Says nothing while the database is away: it may come back, and others report it.
    """
    options = settings.DATABASES[alias]
    parameters = _read_parameters(options)
    try:
        with _connect(parameters) as first, _connect(parameters) as second:
            # Two connections that are open at once have a session each, and keep it.
            looks = [(_read_session(first), _read_session(second)) for _ in range(_LOOKS)]
            if len(set(looks)) > 1 or looks[0][0] == looks[0][1]:
                raise ImproperlyConfigured(
                    "DATABASE_URL leads to a pooler that may give each transaction another session "
                    f"(PgBouncer: pool_mode = transaction). {_CURE}"
                )
            planned = first.execute("SHOW plan_cache_mode").fetchone()
    except psycopg.OperationalError as error:
        # PgBouncer names the parameter in the text; its code is that of any refusal.
        if "startup parameter" in str(error):
            raise ImproperlyConfigured(
                "The pooler at DATABASE_URL refuses the session option plan_cache_mode: add "
                "`ignore_startup_parameters = options` to PgBouncer, and run `ALTER ROLE <its role> SET "
                "plan_cache_mode = force_generic_plan`."
            ) from error
        return
    if planned != ("force_generic_plan",):
        raise ImproperlyConfigured(
            "The pooler at DATABASE_URL drops the session option plan_cache_mode: run `ALTER ROLE "
            f"{parameters['user'] or '<its role>'} SET plan_cache_mode = force_generic_plan`."
        )


def find_pooler(alias: str = "default") -> bool:
    """Whether something answers in place of the server itself. Raises ``psycopg.Error``."""
    with _connect(_read_parameters(settings.DATABASES[alias])) as asked:
        # A pooler tells its clients a number of its own.
        return bool(_read_session(asked) != (asked.info.backend_pid,))


def _read_parameters(options: dict[str, Any]) -> dict[str, Any]:
    given = {
        name: value for name, value in options["OPTIONS"].items() if name not in {"pool", "prepare_threshold"}
    }
    return given | {
        "dbname": options["NAME"],
        "user": options["USER"],
        "password": options["PASSWORD"],
        "host": options["HOST"],
        "port": options["PORT"],
        "connect_timeout": _CONNECT_SECONDS,
    }


def _connect(parameters: dict[str, Any]) -> "psycopg.Connection[Any]":
    connection = psycopg.connect(
        **{name: value for name, value in parameters.items() if value}, autocommit=True
    )
    # Nothing is prepared: this is to work on every pooler.
    connection.prepare_threshold = None
    return connection


def _read_session(connection: "psycopg.Connection[Any]") -> Any:
    """The server's process behind ``connection`` right now."""
    return connection.execute("SELECT pg_backend_pid()").fetchone()


@register(Tags.database)
def check_pooler(**options: Any) -> list[CheckMessage]:
    """For ``manage.py migrate`` and ``check --database default``."""
    if "default" not in (options["databases"] or ()):
        return []
    try:
        require_own_sessions()
    except ImproperlyConfigured as error:
        return [Critical(str(error), id="core.E001")]
    return []

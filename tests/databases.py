"""The test database: its address for processes that a test starts, and its rows after a test."""

from collections.abc import Callable
from urllib.parse import quote

from django.db import connection, transaction


def url_of_test_database() -> str:
    """DATABASE_URL of the database that this test process uses: on a socket (embedded) or on a port."""
    database = connection.settings_dict
    host, port = quote(str(database["HOST"]), safe=""), database["PORT"]
    credentials = f"{quote(str(database['USER']))}:{quote(str(database['PASSWORD']))}"
    return f"postgres://{credentials}@/{database['NAME']}?host={host}" + (f"&port={port}" if port else "")


class CommittedRows:
    """What a test has committed, taken away after it.

    Django empties every table and then writes content types, permissions and groups again, which takes longer
    than most tests. Here only tables with rows are emptied, and those in which the migrations wrote rows get
    these back, with the same keys. Where the role is not a superuser, Django does it all.
    """

    def __init__(self) -> None:
        names = connection.introspection.table_names()
        kept = [name for name in names if self._run(f'SELECT 1 FROM "{name}" LIMIT 1')]
        self._find_filled = " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in names if name not in kept
        )
        self._digest_kept = " UNION ALL ".join(
            f"SELECT '{name}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM \"{name}\" t"
            for name in kept
        )
        self._as_made = {name: self._read_rows(name) for name in kept}
        self._digests = self._run(self._digest_kept)
        (role,) = self._run("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        # Only a superuser may switch the guards off.
        self._may_switch_off = bool(role[0])

    def remove(self, empty_all: Callable[[], None]) -> None:
        """Leave the database as it was made; ``empty_all`` is Django's way."""
        if not self._may_switch_off:
            empty_all()
            return
        changed = [name for name, _ in set(self._run(self._digest_kept)) - set(self._digests)]
        filled = [name for (name,) in self._run(self._find_filled)]
        if not changed and not filled:
            return
        with transaction.atomic(), connection.cursor() as cursor:
            # Without foreign keys and the guards of statuses: the product has no part in this.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in (*changed, *filled):
                cursor.execute(f'DELETE FROM "{name}"')
            for name in changed:
                with cursor.copy(f'COPY "{name}" FROM STDIN') as rows:
                    rows.write(self._as_made[name])

    def _read_rows(self, name: str) -> bytes:
        with connection.cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT') as rows:
            return b"".join(rows)

    def _run(self, statement: str) -> list[tuple[str, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

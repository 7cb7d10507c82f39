"""The test database, for processes that a test starts."""

from urllib.parse import quote

from django.db import connection


def url_of_test_database() -> str:
    """DATABASE_URL of the database that this test process uses: on a socket (embedded) or on a port."""
    database = connection.settings_dict
    host, port = quote(str(database["HOST"]), safe=""), database["PORT"]
    credentials = f"{quote(str(database['USER']))}:{quote(str(database['PASSWORD']))}"
    return f"postgres://{credentials}@/{database['NAME']}?host={host}" + (f"&port={port}" if port else "")

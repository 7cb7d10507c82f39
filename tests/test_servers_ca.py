"""``SERVERS_CA_FILE``: a real PostgreSQL whose certificate comes from an authority that nobody else knows."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.dev import embedded
from orchestrator.dev.postgres_programs import PostgresPrograms, write_for
from tests.redis_sentinel import write_certificates

ROOT = Path(__file__).parents[1]
# The server that comes with the packages is built without TLS.
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
with_tls = pytest.mark.skipif(not SERVERS, reason="no PostgreSQL with TLS: apt install postgresql")
ASK = (
    "import django; django.setup()\n"
    "import psycopg\n"
    "from django.db import connection\n"
    # Past the pool, which tries for seconds.
    "with psycopg.connect(**connection.get_connection_params()) as asked:\n"
    "    print(asked.execute('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()').fetchone()[0])\n"
)


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    """A server that only takes TLS."""
    write_certificates(tmp_path)
    account = embedded.find_postgres_account()
    with embedded.open_runtime_folder(account) as folder:
        programs = PostgresPrograms(SERVERS[-1].parent, account)
        data, log, port = folder / "data", folder / "log", embedded.find_free_port()
        words = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        programs.run("initdb", "-D", data, *words, log=log)
        for name in ("server.pem", "server.key"):
            write_for(programs.account, data / name, (tmp_path / name).read_text()).chmod(0o600)
        write_for(programs.account, data / "pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n")
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c ssl=on"
        )
        options += " -c ssl_cert_file=server.pem -c ssl_key_file=server.key"
        programs.run("pg_ctl", "-D", data, "-o", options, "start", log=log)
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/postgres"
        finally:
            programs.run("pg_ctl", "-D", data, "-m", "immediate", "stop", log=log)


def ask(address: str, file: Path) -> "subprocess.CompletedProcess[str]":
    """Whether a process with these settings reads by TLS."""
    values = {"DATABASE_URL": address, "SERVERS_CA_FILE": str(file)}
    return subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=os.environ | values | {"DJANGO_SETTINGS_MODULE": "orchestrator.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@with_tls
def test_the_server_of_this_authority_is_taken_and_that_of_another_is_not(address, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_certificates(other)
    checked = f"{address}?sslmode=verify-full"
    assert ask(checked, tmp_path / "ca.pem").stdout.strip() == "True"
    refused = ask(checked, other / "ca.pem")
    assert refused.returncode != 0
    assert "SSL error" in refused.stderr
    # The address goes before the setting.
    own = f"{checked}&sslrootcert={tmp_path / 'ca.pem'}"
    assert ask(own, other / "ca.pem").stdout.strip() == "True"


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    refused = ask("postgres://nobody@localhost/none", tmp_path / "none.pem")
    assert refused.returncode != 0
    assert "SERVERS_CA_FILE is" in refused.stderr
    assert "there is no such file" in refused.stderr

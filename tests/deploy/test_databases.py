"""PostgreSQL as ``deploy/`` sets it up: objects of CloudNativePG, and pgBackRest on real servers."""

import copy
import os
import pwd
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import pytest
import yaml

from orchestrator.dev import embedded
from orchestrator.dev.postgres_programs import PostgresPrograms, make_folder, write_for
from tests.deploy import budget, check, manifests

COMPONENT = manifests.K8S / "components" / "cloudnative-pg"
PGBACKREST = check.DEPLOY / "pgbackrest"
PROGRAM = os.environ.get("PGBACKREST") or shutil.which("pgbackrest")
# pgBackRest of Debian 12 knows PostgreSQL up to 15.
SERVERS = sorted(Path("/usr/lib/postgresql").glob("1[1-7]/bin/initdb"))


def read_component() -> dict[str, manifests.Manifest]:
    names = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())["resources"]
    found = [one for name in names for one in yaml.safe_load_all((COMPONENT / name).read_text())]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}


def test_the_database_is_what_the_runbook_asks_for():
    found = read_component()
    cluster = found["Cluster/flowengine-db"]["spec"]
    assert cluster["instances"] == 3, "a primary and two replicas"
    assert found["ObjectStore/flowengine-backups"]["spec"]["retentionPolicy"] == "30d"
    (plugin,) = cluster["plugins"]
    assert plugin["isWALArchiver"] is True
    assert plugin["parameters"]["barmanObjectName"] == "flowengine-backups"
    backup = found["ScheduledBackup/flowengine-daily"]["spec"]
    assert backup["schedule"].split()[3:] == ["*", "*", "*"], "every day"
    assert backup["cluster"]["name"] == "flowengine-db"
    assert backup["pluginConfiguration"]["name"] == plugin["name"]


def test_the_pooler_is_in_the_mode_that_the_product_holds_and_large_enough():
    found = read_component()
    pooler = found["Pooler/flowengine-db-pooler"]["spec"]
    parameters = pooler["pgbouncer"]["parameters"]
    assert pooler["pgbouncer"]["poolMode"] == "session"
    assert "options" in parameters["ignore_startup_parameters"].split(",")
    settings = found["Cluster/flowengine-db"]["spec"]["postgresql"]["parameters"]
    # A pooler drops the option with which sessions start, so the server sets it.
    assert settings["plan_cache_mode"] == "force_generic_plan"
    built = manifests.build_overlay("production")
    most = budget.count_at_most(built, "DB_POOL_SIZE") + budget.count_at_most(built, "DB_MAX_OVERFLOW")
    assert most <= pooler["instances"] * int(parameters["default_pool_size"]) == 250
    assert int(settings["max_connections"]) >= 250 + 20


def test_schemas_refuse_what_is_misspelt():
    found = read_component()
    check.validate_kinds_of_others(found.values())
    for place, change in (
        ("Cluster/flowengine-db", lambda spec: spec.update(instance=3)),
        ("Cluster/flowengine-db", lambda spec: spec["plugins"][0].update(isWalArchiver=True)),
        ("ObjectStore/flowengine-backups", lambda spec: spec.update(retentionPolicy="30 days")),
        ("ScheduledBackup/flowengine-daily", lambda spec: spec.update(schedule="0 2 * * *")),
        ("Pooler/flowengine-db-pooler", lambda spec: spec["pgbouncer"].update(poolMode="statement")),
    ):
        spoilt = copy.deepcopy(found[place])
        change(spoilt["spec"])
        with pytest.raises(check.CheckFailed):
            check.validate_kinds_of_others([spoilt])


def test_only_the_product_the_operator_and_the_metrics_reach_the_database():
    found = read_component()
    for name in ("database", "pooler"):
        rules = found[f"NetworkPolicy/{name}"]["spec"]["ingress"]
        sources = [source for rule in rules for source in rule["from"]]
        assert all(set(source) <= {"podSelector", "namespaceSelector"} for source in sources)
        assert all(any(part.get("matchLabels") for part in source.values()) for source in sources)


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="pgbackrest is missing: apt install pgbackrest, or PGBACKREST=")
@pytest.mark.skipif(not SERVERS, reason="no PostgreSQL that pgbackrest knows: apt install postgresql")
def test_pgbackrest_restores_an_instant_with_the_shipped_configuration():
    account = embedded.find_postgres_account()
    with embedded.open_runtime_folder(account) as folder:
        folder.chmod(0o755)
        server = BackedUpServer(PostgresPrograms(SERVERS[-1].parent, account), folder)
        server.start()
        try:
            server.back_up()
            server.run("CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1), (2)")
            # pgBackRest compares whole seconds: the instant has to be in a later one than the backup's end.
            time.sleep(1.1)
            at = datetime.now(UTC)
            server.run("INSERT INTO kept VALUES (3)", "SELECT pg_switch_wal()")
            assert server.read("SELECT count(*) FROM kept") == "3"
        finally:
            server.control("-m", "immediate", "stop")
        server.restore(at)
        server.start()
        try:
            server.wait_for_end_of_recovery()
            assert server.read("SELECT count(*) FROM kept") == "2"
        finally:
            server.control("-m", "immediate", "stop")
        assert "full backup" in server.call("info")


class BackedUpServer:
    """A PostgreSQL with ``deploy/pgbackrest``, in a folder."""

    def __init__(self, programs: PostgresPrograms, folder: Path) -> None:
        self.programs, self.folder, self.data = programs, folder, folder / "data"
        self.log = folder / "log"
        names = ("repository", "spool", "logs", "locks", "sockets")
        for name in names:
            make_folder(folder / name, programs.account)
        self.port = embedded.find_free_port()
        values = {
            "REPOSITORY_TYPE": "posix",
            "REPOSITORY_PATH": folder / "repository",
            "CIPHER_PASSWORD": "for-this-test-only",
            "SPOOL_PATH": folder / "spool",
            "LOG_PATH": folder / "logs",
            "LOCK_PATH": folder / "locks",
            "DATA_FOLDER": self.data,
            "PORT": self.port,
            "SOCKET_FOLDER": folder / "sockets",
            "CONFIG": folder / "pgbackrest.conf",
        }
        self.user = pwd.getpwuid(programs.account.uid if programs.account else os.getuid()).pw_name
        program = str(Path(str(PROGRAM)).resolve())
        filled = {
            name: Template((PGBACKREST / name).read_text()).substitute(values)
            for name in ("pgbackrest.conf", "postgresql.conf")
        }
        write_for(
            programs.account,
            folder / "pgbackrest.conf",
            filled["pgbackrest.conf"] + f"pg1-user={self.user}\n",
        )
        programs.run("initdb", "-D", self.data, "-U", self.user, "-A", "trust", "--no-sync", log=self.log)
        server = filled["postgresql.conf"].replace("'pgbackrest ", f"'{program} ")
        server += (
            f"port = {self.port}\nlisten_addresses = ''\nunix_socket_directories = '{folder / 'sockets'}'\n"
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(server)

    def start(self) -> None:
        self.control("-w", "start")

    def control(self, *words: str) -> None:
        self.programs.run("pg_ctl", "-D", self.data, *words, log=self.log)

    def call(self, *words: str) -> str:
        """Run pgbackrest on the stanza; its output."""
        account = self.programs.account
        done = subprocess.run(
            [str(PROGRAM), f"--config={self.folder / 'pgbackrest.conf'}", "--stanza=flowengine", *words],
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=[] if account else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def back_up(self) -> None:
        self.call("stanza-create")
        self.call("check")
        self.call("--type=full", "backup")

    def restore(self, at: datetime) -> None:
        shutil.rmtree(self.data)
        make_folder(self.data, self.programs.account)
        self.call("--type=time", f"--target={at.isoformat(sep=' ')}", "--target-action=promote", "restore")

    def run(self, *statements: str) -> None:
        # Each is a transaction of its own: a commit that ends the segment would be in the next one.
        words = [word for statement in statements for word in ("-c", statement)]
        self.programs.run("psql", *self._address(), *words, log=self.log)

    def read(self, statement: str) -> str:
        place = self.folder / "answer"
        place.unlink(missing_ok=True)
        self.programs.run("psql", *self._address(), "-At", "-o", place, "-c", statement, log=self.log)
        return place.read_text().strip()

    def wait_for_end_of_recovery(self) -> None:
        for _ in range(300):
            if self.read("SELECT pg_is_in_recovery()") == "f":
                return
        pytest.fail("the restored server does not end its recovery")

    def _address(self) -> tuple[str, ...]:
        sockets = str(self.folder / "sockets")
        return ("-q", "-h", sockets, "-p", str(self.port), "-U", self.user, "-d", "postgres")

"""Redis as ``deploy/redis`` configures it: two servers with TLS and an ACL file, and three Sentinels."""

import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator import child_processes
from orchestrator.dev import embedded

CONFIGURATION = Path(__file__).parents[1] / "deploy" / "redis"
PROGRAM = shutil.which("redis-server")
PASSWORDS = {
    # As odd as a generated one may be.
    "PASSWORD": "b/l:o@c+k%s?#=",
    "REPLICATION_PASSWORD": "for-replicas",
    "WATCH_PASSWORD": "for-sentinels-on-servers",
    "SENTINEL_PASSWORD": "for-clients/of@sentinels",
}
_ADDRESS = "127.0.0.1"


def has_tls() -> bool:
    """Whether there is a redis-server, built with TLS."""
    if PROGRAM is None:
        return False
    done = subprocess.run(
        [PROGRAM, "--port", "0", "--tls-port", "0"], input=b"", capture_output=True, timeout=60, check=False
    )
    # Without any port to listen on it ends by itself; without TLS it does not know the option.
    return b"Bad directive" not in done.stdout + done.stderr and b"Failed" not in done.stdout + done.stderr


class RedisUnderSentinels:
    """The processes by name, and where clients find them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports: dict[str, int] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """``REDIS_URL`` of the product."""
        hosts = ",".join(
            f"{_ADDRESS}:{self.ports[name]}" for name in self.ports if name.startswith("sentinel")
        )
        account = f"blocks:{quote(PASSWORDS['PASSWORD'], safe='')}"
        password = quote(PASSWORDS["SENTINEL_PASSWORD"], safe="")
        ca = quote(str(self.ca), safe="")
        return (
            f"sentinel+tls://{account}@{hosts}/0?master=blocks&sentinel_password={password}&ssl_ca_certs={ca}"
        )

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def start(self, name: str, primary: str = "") -> None:
        """Start a server, as a replica of ``primary`` where one is named, or a Sentinel of ``primary``."""
        own = self.folder / name
        own.mkdir()
        for part in ("ca.pem", "server.pem", "server.key"):
            shutil.copy(self.folder / part, own)
        self.ports[name] = embedded.find_free_port()
        values = PASSWORDS | {"ADDRESS": _ADDRESS, "PORT": str(self.ports[name]), "FOLDER": str(own)}
        values |= {"PRIMARY_ADDRESS": _ADDRESS, "PRIMARY_PORT": str(self.ports.get(primary, 0))}
        values["DOWN_AFTER_MILLISECONDS"] = "1500"
        kind = "sentinel" if name.startswith("sentinel") else "redis"
        config = write_configuration(f"{kind}.conf", own, values)
        write_configuration("users.acl", own, values)
        words = [str(config)]
        if kind == "sentinel":
            words.append("--sentinel")
        elif primary:
            words += ["--replicaof", f"{_ADDRESS} {self.ports[primary]}"]
        self._start(name, words)

    def _start(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = child_processes.start(
                [str(PROGRAM), *words], death_signal=signal.SIGKILL, output=log
            )
        user = {} if name.startswith("sentinel") else {"user": "blocks"}
        wait_for(lambda: self.ask(name, "PING", **user), f"{name}: {self.read_log(name)}")

    def kill(self, name: str) -> None:
        """SIGKILL, as a machine that is gone."""
        child = self.running.pop(name)
        child.kill()
        child.wait()

    def find_primary(self) -> str:
        """The server that the Sentinels call the primary."""
        found = self.ask("sentinel1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "blocks")
        port = int(found[1])
        (name,) = (one for one, at in self.ports.items() if at == port)
        return name

    def ask(self, name: str, *words: str, user: str = "") -> Any:
        """The answer of a server or a Sentinel to one command."""
        password = PASSWORDS["PASSWORD" if user else "SENTINEL_PASSWORD"]
        client = redis.Redis(
            host=_ADDRESS,
            port=self.ports[name],
            username=user or None,
            password=password,
            ssl=True,
            ssl_ca_certs=str(self.ca),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
            socket_timeout=2,
        )
        with client:
            return client.execute_command(*words)

    def read_log(self, name: str) -> str:
        """The end of its log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]

    def stop(self) -> None:
        """End everything."""
        for child in self.running.values():
            child_processes.stop(child, first=signal.SIGKILL)


@contextmanager
def run_redis_under_sentinels(folder: Path) -> Iterator[RedisUnderSentinels]:
    """A primary, a replica that follows it, and three Sentinels that know both and one another."""
    write_certificates(folder)
    found = RedisUnderSentinels(folder)
    with ExitStack() as stack:
        stack.callback(found.stop)
        found.start("redis1")
        found.start("redis2", "redis1")
        wait_for(
            lambda: b"connected_slaves:1" in _as_bytes(found.ask("redis1", "INFO", user="blocks")),
            "a replica",
        )
        names = [f"sentinel{number}" for number in (1, 2, 3)]
        for name in names:
            found.start(name, "redis1")
        for name in names:
            wait_for(lambda name=name: _knows_all(found, name), f"{name} to know the others")
        yield found


def _as_bytes(answer: Any) -> bytes:
    if isinstance(answer, dict):
        return "\n".join(f"{key}:{value}" for key, value in answer.items()).encode()
    return bytes(answer)


def _knows_all(found: RedisUnderSentinels, name: str) -> bool:
    others = found.ask(name, "SENTINEL", "SENTINELS", "blocks")
    replicas = found.ask(name, "SENTINEL", "REPLICAS", "blocks")
    return len(others) == 2 and len(replicas) == 1


def wait_for(condition: Any, what: str, seconds: float = 60) -> None:
    """Wait until ``condition`` is true; a connection that fails is not yet."""
    end = time.monotonic() + seconds
    while True:
        with suppress(redis.RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.1)


def write_configuration(name: str, folder: Path, values: Mapping[str, str]) -> Path:
    """A file of ``deploy/redis`` with every name filled in."""
    path = folder / name
    path.write_text(Template((CONFIGURATION / name).read_text()).substitute(values))
    return path


def write_certificates(folder: Path) -> None:
    """An authority, and a certificate for this machine's loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])
    authority = _sign(name, key, name, key, x509.BasicConstraints(ca=True, path_length=0), critical=True)
    own_key = ec.generate_private_key(ec.SECP256R1())
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(_ADDRESS))])
    own = _sign(own_name, own_key, name, key, names, critical=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(own.public_bytes(pem))
    (folder / "server.key").write_bytes(
        own_key.private_bytes(
            pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _sign(
    subject: Any, key: Any, issuer: Any, by: Any, extension: Any, *, critical: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    made = made.not_valid_after(now + timedelta(days=1)).add_extension(extension, critical)
    return made.sign(by, hashes.SHA256())

"""The health of parts that no flow shows in time: replicas, certificates and tokens, the disk of evidence.

Read by the exporter and by ``/status/``. None of them makes ``/ready`` fail: a process that takes no traffic
repairs no replica, certificate or disk, and flows run on without them for a while.
"""

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as midnight
from pathlib import Path
from typing import Final

import psycopg
from cryptography import x509
from django.conf import settings
from prometheus_client.core import GaugeMetricFamily, Metric

from orchestrator.core import replicas

_TIMEOUT_SECONDS: Final = 3.0
# Each of two replicas that are away, and the scrape still ends in time.
_REPLICA_SECONDS: Final = 2
# A certificate lasts for weeks; a scrape comes every few seconds.
_KEEP_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class ReplicaHealth:
    """A read replica; ``lag_seconds`` is None where it does not answer, or is none any more."""

    name: str
    lag_seconds: float | None


@dataclass(frozen=True, slots=True)
class Expiry:
    """Something that ends on a day; ``at`` is None where that cannot be read."""

    kind: str
    name: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The disk of the evidence folder, bytes."""

    free: int
    size: int

    @property
    def free_share(self) -> float:
        """From 0 to 1."""
        return self.free / self.size if self.size else 0.0


def read_replicas() -> list[ReplicaHealth]:
    """How far each replica of DATABASE_REPLICA_URLS is behind."""
    return [ReplicaHealth(name, _read_lag(name)) for name in replicas.list_replicas()]


def _read_lag(name: str) -> float | None:
    try:
        found = replicas.measure(name, _REPLICA_SECONDS)
    except (psycopg.Error, OSError):
        return None
    # One that was promoted has a history of its own: it does not follow this primary.
    return found.lag_seconds if found is not None and found.is_replica else None


def read_disk_space() -> DiskSpace | None:
    """The disk of the evidence folder; None where evidence goes to a bucket, which has no end."""
    if settings.CONTEXT_BUNDLE_BUCKET:
        return None
    folder: Path = settings.STATE_DIR
    # The folder itself is made by the first evidence.
    while not folder.exists():
        folder = folder.parent
    found = shutil.disk_usage(folder)
    return DiskSpace(found.free, found.total)


def read_expiries() -> list[Expiry]:
    """When the certificates of WATCHED_CERTIFICATES and the tokens of WATCHED_TOKENS end."""
    certificates = [
        Expiry("certificate", name, _expiries.read(name)) for name in settings.WATCHED_CERTIFICATES
    ]
    tokens = [
        Expiry("token", name, datetime.combine(date.fromisoformat(day), midnight(), tzinfo=UTC))
        for name, day in settings.WATCHED_TOKENS.items()
    ]
    return [*certificates, *tokens]


class _Expiries:
    """Ends of certificates, kept for ten minutes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, datetime | None]] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> datetime | None:
        """The end of the certificate of a server (host:port) or in a file."""
        with self._lock:
            at, known = self._kept.get(name, (0.0, None))
            if time.monotonic() - at < _KEEP_SECONDS and name in self._kept:
                return known
            found = _read_certificate(name)
            self._kept[name] = (time.monotonic(), found)
            return found

    def forget(self) -> None:
        """Read all of them again."""
        with self._lock:
            self._kept.clear()


_expiries = _Expiries()


def _read_certificate(name: str) -> datetime | None:
    try:
        content = Path(name).read_bytes() if name.startswith("/") else _fetch_certificate(name)
        return x509.load_pem_x509_certificate(content).not_valid_after_utc
    except (OSError, ValueError):
        return None


def _fetch_certificate(name: str) -> bytes:
    host, _, port = name.rpartition(":")
    # Not verified: also one that has ended or belongs to another name is to be read.
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS) as plain,
        unchecked.wrap_socket(plain, server_hostname=host) as tls,
    ):
        found = tls.getpeercert(binary_form=True)
    if found is None:
        raise ValueError("no certificate")
    return ssl.DER_cert_to_PEM_cert(found).encode()


def measure_replicas() -> Iterator[Metric]:
    """Replicas, as Prometheus sees them."""
    up = GaugeMetricFamily("orchestrator_replica_up", "Whether a read replica answers.", labels=["replica"])
    lag = GaugeMetricFamily(
        "orchestrator_replica_lag_seconds", "How far a read replica is behind.", labels=["replica"]
    )
    for one in read_replicas():
        up.add_metric([one.name], float(one.lag_seconds is not None))
        if one.lag_seconds is not None:
            lag.add_metric([one.name], one.lag_seconds)
    yield from (up, lag)


def measure_expiries() -> Iterator[Metric]:
    """Certificates and tokens. One that cannot be read has no time, and an alert says so."""
    ends = GaugeMetricFamily(
        "orchestrator_expiry_timestamp_seconds",
        "When a certificate or a token ends; 0 where that cannot be read.",
        labels=["kind", "name"],
    )
    for one in read_expiries():
        ends.add_metric([one.kind, one.name], 0.0 if one.at is None else one.at.timestamp())
    yield ends


def measure_disk() -> Iterator[Metric]:
    """The disk of the evidence folder; no sample where evidence goes to a bucket."""
    free = GaugeMetricFamily("orchestrator_evidence_disk_free_bytes", "Free for evidence.")
    size = GaugeMetricFamily("orchestrator_evidence_disk_bytes", "Size of that disk.")
    space = read_disk_space()
    if space is not None:
        free.add_metric([], float(space.free))
        size.add_metric([], float(space.size))
    yield from (free, size)

"""Replicas, ends of certificates and tokens, the disk of evidence: as metrics."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connections

from orchestrator.ops.observability import part_health
from tests.ops.test_metrics import read_value, scrape_metrics


@pytest.fixture
def replicas(transactional_db):
    """One that answers and does not follow, as after a promotion, and one that does not answer."""
    own = dict(connections.databases["default"])
    connections.databases["replica1"] = own
    connections.databases["replica2"] = own | {"HOST": "127.0.0.1", "PORT": "1"}
    yield
    for name in ("replica1", "replica2"):
        del connections.databases[name]


def test_a_promoted_and_a_dead_replica_count_as_away_and_cost_nothing_else(replicas):
    found = scrape_metrics()
    for name in ("replica1", "replica2"):
        assert read_value(found, "orchestrator_replica_up", replica=name) == 0
        assert ("orchestrator_replica_lag_seconds", (("replica", name),)) not in found
    assert read_value(found, "orchestrator_source_up", source="replicas") == 1


def write_certificate(folder: Path, end: datetime) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "blocks.example.org")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def test_ends_of_certificates_and_tokens(transactional_db, settings, tmp_path):
    # In the past, so that one that is refused by everybody else is read, too.
    end = datetime(2025, 3, 1, 12, tzinfo=UTC)
    certificate, key = write_certificate(tmp_path, end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    part_health._expiries.forget()
    with context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as server:

        def answer() -> None:
            connected, _ = server.accept()
            connected.close()

        thread = threading.Thread(target=answer)
        thread.start()
        served = f"127.0.0.1:{server.getsockname()[1]}"
        settings.WATCHED_CERTIFICATES = (served, str(certificate), "127.0.0.1:1")
        settings.WATCHED_TOKENS = {"slack": "2027-01-31"}
        found = scrape_metrics()
        thread.join()
    name = "orchestrator_expiry_timestamp_seconds"
    assert read_value(found, name, name=served) == read_value(found, name, name=str(certificate))
    assert read_value(found, name, name=served) == end.timestamp()
    assert read_value(found, name, name="127.0.0.1:1") == 0
    assert read_value(found, name, kind="token") == datetime(2027, 1, 31, tzinfo=UTC).timestamp()


def test_the_disk_of_evidence(transactional_db, settings):
    found = scrape_metrics()
    assert read_value(found, "orchestrator_evidence_disk_free_bytes") > 0
    assert read_value(found, "orchestrator_evidence_disk_bytes") > 1e6
    # A bucket has no end.
    settings.CONTEXT_BUNDLE_BUCKET = "context-bundles-prod"
    assert ("orchestrator_evidence_disk_bytes", ()) not in scrape_metrics()

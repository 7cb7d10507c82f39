from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import LazySettings
from moto.server import ThreadedMotoServer

from orchestrator.flows.evidence import bucket_store, keys

GLACIER = {
    "ID": "old",
    "Status": "Enabled",
    "Filter": {},
    "Transitions": [{"Days": 365, "StorageClass": "GLACIER"}],
}
COMPLIANCE = {"Mode": "COMPLIANCE", "Years": 7}


@pytest.fixture(autouse=True)
def _state(settings: LazySettings, tmp_path: Path) -> None:
    """Each test has a key and an evidence store of its own."""
    settings.STATE_DIR = tmp_path / "state"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "loopback")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=endpoint)
    yield client
    client.close()


@pytest.fixture
def bucket(client: Any, endpoint: str, request: pytest.FixtureRequest) -> Iterator[bucket_store.Bucket]:
    """A bucket as deploy/terraform makes it."""
    name = f"evidence-{abs(hash(request.node.nodeid)) % 10**9}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    lock(client, name, COMPLIANCE)
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [GLACIER]})
    found = bucket_store.open_bucket(name, endpoint)
    yield found
    found.client.close()


def lock(client: Any, name: str, retention: dict[str, Any]) -> None:
    client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


@pytest.fixture
def production(bucket: bucket_store.Bucket, endpoint: str, settings: LazySettings) -> bucket_store.Bucket:
    """Settings as in production: a bucket, and a key from outside."""
    settings.EVIDENCE_SIGNING_KEY = make_key_pem()
    settings.CONTEXT_BUNDLE_BUCKET, settings.S3_ENDPOINT_URL = bucket.name, endpoint
    return bucket


def make_key_pem() -> str:
    """An Ed25519 key in PEM, in one line as secret stores keep it."""
    private = keys.Ed25519PrivateKey.generate()
    pem = private.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.PKCS8, keys.NoEncryption())
    return pem.decode().replace("\n", "\\n")

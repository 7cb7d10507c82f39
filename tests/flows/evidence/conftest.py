from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import LazySettings
from moto.server import ThreadedMotoServer

from orchestrator.flows.evidence import bucket_store, keys
from tests import seaweedfs

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


# The first imitates S3: it also knows lifecycles, and lets retention be shortened. The second refuses what S3
# refuses, and knows no lifecycle. What holds on both is tried on both.
@pytest.fixture(scope="module", params=["moto", "seaweedfs"])
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that keeps Object Lock."""
    if request.param == "seaweedfs":
        if seaweedfs.find_program() is None:
            pytest.skip("SeaweedFS is missing: run make s3")
        with seaweedfs.run_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as address:
            yield address
        return
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
    if knows_lifecycles(request):
        client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [GLACIER]})
    found = bucket_store.open_bucket(name, endpoint)
    yield found
    found.client.close()


def knows_lifecycles(request: pytest.FixtureRequest) -> bool:
    """Whether the service of this test moves objects to an archive."""
    return "moto" in request.node.callspec.params.values()


@pytest.fixture
def lifecycles(request: pytest.FixtureRequest) -> None:
    """For tests of lifecycles."""
    if not knows_lifecycles(request):
        pytest.skip("SeaweedFS has no lifecycle to an archive")


@pytest.fixture
def strict(request: pytest.FixtureRequest) -> None:
    """For tests of refusals that only the real service makes."""
    if knows_lifecycles(request):
        pytest.skip("moto lets this pass")


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

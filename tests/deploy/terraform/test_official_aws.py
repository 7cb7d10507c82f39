"""The official provider of AWS, where this machine has a release, against a service that imitates AWS.

PagerDuty and Grafana are stand-ins here too. The provider itself waits a minute until a lifecycle is settled.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from orchestrator.flows.evidence import bucket_store
from tests.deploy.terraform.providers import find_official
from tests.deploy.terraform.refused_resources import check_refused
from tests.deploy.terraform.working_copy import NotAtHand, WorkingCopy, open_copy

AWS = "registry.terraform.io/hashicorp/aws"
BUCKET, LOGS = "context-bundles-prod", "access-logs"
REGION = "eu-central-1"
# The account that the imitation plays.
ACCOUNT, PLACEHOLDER = "123456789012", "000000000000"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ACCESS_KEY_ID", "loopback")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "loopback")
        patched.setenv("AWS_DEFAULT_REGION", REGION)
        yield


@pytest.fixture(scope="module")
def client(endpoint: str, keys: None) -> Iterator[Any]:
    client = boto3.client("s3", endpoint_url=endpoint)
    yield client
    client.close()


@pytest.fixture(scope="module")
def copy(endpoint: str, keys: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingCopy]:
    official = find_official(AWS)
    if official is None:
        pytest.skip("the official provider of AWS is not on this machine")
    try:
        with open_copy(tmp_path_factory.mktemp("official"), {AWS: official}) as opened:
            opened.environment["AWS_ENDPOINT_URL"] = endpoint
            values = opened.place / "terraform.tfvars"
            text = values.read_text(encoding="utf-8")
            values.write_text(text.replace(PLACEHOLDER, ACCOUNT), encoding="utf-8")
            yield opened
    except NotAtHand as missing:
        pytest.skip(str(missing))


def test_the_official_provider_refuses_what_the_stand_in_refuses(copy):
    check_refused(copy)


def make_log_bucket(client: Any) -> None:
    """A bucket of the same region that takes the logs of others, as `log_bucket` asks for."""
    client.create_bucket(Bucket=LOGS, CreateBucketConfiguration={"LocationConstraint": REGION})
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{LOGS}/*",
    }
    client.put_bucket_policy(Bucket=LOGS, Policy=json.dumps({"Version": "2012-10-17", "Statement": [grant]}))


def test_the_bucket_that_is_made_is_the_one_that_the_product_asks_for(copy, client, endpoint):
    make_log_bucket(client)
    assert "0 changed, 0 destroyed" in copy.require("apply", "-auto-approve")
    same = copy.run("plan", "-detailed-exitcode")
    assert same.returncode == 0, same.stdout
    store = bucket_store.open_bucket(BUCKET, endpoint)
    assert store.list_problems() == ()
    encryption = client.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    check_drift(copy, client)
    check_that_it_stays(copy, client, store)


def check_drift(copy: WorkingCopy, client: Any) -> None:
    """Somebody opens the bucket and shortens its retention."""
    closed = client.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    client.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration=closed | {"BlockPublicPolicy": False}
    )
    retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}}
    client.put_object_lock_configuration(
        Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
    )
    shown = copy.run("plan", "-detailed-exitcode")
    assert shown.returncode == 2, shown.stdout
    assert "years = 1 -> 7" in shown.stdout
    assert "block_public_policy     = false -> true" in shown.stdout


def check_that_it_stays(copy: WorkingCopy, client: Any, store: bucket_store.Bucket) -> None:
    """Terraform refuses to destroy it; and where somebody has taken that out, S3 does, for what is in it."""
    refused = copy.run("destroy", "-auto-approve", "-refresh=false")
    assert refused.returncode == 1
    assert "aws_s3_bucket.evidence has lifecycle.prevent_destroy set" in " ".join(refused.stdout.split())
    # The imitation reads a Deny without its condition, so it refuses requests over TLS too.
    client.delete_bucket_policy(Bucket=BUCKET)
    store.put("kept", b"evidence", datetime.now(UTC) + timedelta(days=2556))
    place = copy.place / "bucket.tf"
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace("prevent_destroy = true", "prevent_destroy = false"), encoding="utf-8")
    words = ("-auto-approve", "-refresh=false", "-target=aws_s3_bucket.evidence")
    refused = copy.run("destroy", *words)
    assert refused.returncode == 1
    # AWS calls it BucketNotEmpty.
    assert "Bucket needs to be empty" in refused.stdout
    assert store.get("kept") == b"evidence"

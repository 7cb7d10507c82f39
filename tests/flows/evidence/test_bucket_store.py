"""Evidence in a bucket: the real boto3 against a server on loopback that keeps Object Lock."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import LazySettings

from orchestrator.flows.evidence import bucket_store, sealing, setup, store
from orchestrator.flows.evidence.errors import EvidenceError
from tests.flows.evidence.conftest import GLACIER, lock
from tests.flows.evidence.subjects import SUBJECT

LATER = datetime(2033, 1, 2, tzinfo=UTC)


def ids(found: bucket_store.Bucket) -> set[str]:
    return {problem.id for problem in found.list_problems()}


def test_what_is_put_is_held_in_compliance_until_its_date(bucket: bucket_store.Bucket, client: Any) -> None:
    bucket.put("a/b", b"content", LATER)
    held = client.head_object(Bucket=bucket.name, Key="a/b")
    assert (held["ObjectLockMode"], held["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", LATER)
    assert bucket.get("a/b") == b"content"
    assert bucket.get("nothing") is None
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(
            Bucket=bucket.name, Key="a/b", VersionId=held["VersionId"], BypassGovernanceRetention=True
        )


def test_the_same_again_is_fine_and_held_longer_other_bytes_are_refused(
    bucket: bucket_store.Bucket, client: Any
) -> None:
    bucket.put("k", b"content", LATER)
    bucket.put("k", b"content", LATER - timedelta(days=5))
    assert client.head_object(Bucket=bucket.name, Key="k")["ObjectLockRetainUntilDate"] == LATER
    bucket.put("k", b"content", LATER + timedelta(days=5))
    assert client.head_object(Bucket=bucket.name, Key="k")["ObjectLockRetainUntilDate"] == LATER + timedelta(
        days=5
    )
    with pytest.raises(EvidenceError) as refused:
        bucket.put("k", b"other", LATER)
    assert refused.value.code == "evidence:conflict"
    assert len(client.list_object_versions(Bucket=bucket.name)["Versions"]) == 1
    assert bucket.get("k") == b"content"


def test_a_bucket_as_it_should_be_has_no_problems(bucket: bucket_store.Bucket, lifecycles: None) -> None:
    assert bucket.list_problems() == ()


def test_a_service_without_lifecycles_is_fit_and_lacks_the_archive_only(
    bucket: bucket_store.Bucket, strict: None
) -> None:
    (problem,) = bucket.list_problems()
    assert (problem.id, problem.serious) == ("evidence.W002", False)


def test_retention_is_never_shortened_and_never_lifted(
    bucket: bucket_store.Bucket, client: Any, strict: None
) -> None:
    bucket.put("k", b"content", LATER)
    version = client.head_object(Bucket=bucket.name, Key="k")["VersionId"]
    for mode, until in (("COMPLIANCE", LATER - timedelta(days=1)), ("GOVERNANCE", LATER)):
        with pytest.raises(ClientError, match=r"AccessDenied|InvalidRequest"):
            client.put_object_retention(
                Bucket=bucket.name,
                Key="k",
                Retention={"Mode": mode, "RetainUntilDate": until},
                BypassGovernanceRetention=True,
            )
    # A delete without a version hides the object behind a marker; the version stays.
    client.delete_object(Bucket=bucket.name, Key="k")
    assert bucket.get("k") is None
    kept = client.get_object(Bucket=bucket.name, Key="k", VersionId=version)["Body"].read()
    assert kept == b"content"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=bucket.name, Key="k", VersionId=version, BypassGovernanceRetention=True)


def test_what_others_put_gets_the_default_of_seven_years(
    bucket: bucket_store.Bucket, client: Any, strict: None
) -> None:
    client.put_object(Bucket=bucket.name, Key="by-hand", Body=b"content")
    held = client.get_object_retention(Bucket=bucket.name, Key="by-hand")["Retention"]
    assert held["Mode"] == "COMPLIANCE"
    assert held["RetainUntilDate"] - datetime.now(UTC) > timedelta(days=2550)


def test_a_wrong_secret_is_an_outage_that_names_the_cure(
    bucket: bucket_store.Bucket, endpoint: str, strict: None
) -> None:
    stranger: Any = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="loopback", aws_secret_access_key="wrong"
    )
    found = bucket_store.Bucket(bucket.name, stranger)
    with pytest.raises(EvidenceError, match=r"SignatureDoesNotMatch|AccessDenied") as refused:
        found.put("k", b"content", LATER)
    assert refused.value.code == "evidence:store-unavailable"
    assert "credentials" in refused.value.cure
    assert ids(found) == {"evidence.E001"}
    stranger.close()


def test_of_many_writers_of_one_key_the_first_wins(bucket: bucket_store.Bucket, client: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(bucket.put, "k", b"%d" % (number % 2), LATER) for number in range(8)]
    refused = [one.exception() for one in tries if one.exception() is not None]
    assert all(getattr(error, "code", "") == "evidence:conflict" for error in refused)
    # Half of them had the bytes that won.
    assert len(refused) == 4
    assert len(client.list_object_versions(Bucket=bucket.name)["Versions"]) == 1


@pytest.mark.parametrize(
    ("retention", "problem"),
    [
        ({"Mode": "GOVERNANCE", "Years": 7}, {"evidence.E003"}),
        ({"Mode": "COMPLIANCE", "Years": 6}, {"evidence.E004"}),
        ({"Mode": "COMPLIANCE", "Days": 2554}, {"evidence.E004"}),
        ({"Mode": "COMPLIANCE", "Days": 2557}, set()),
    ],
)
def test_a_weak_lock_is_named(
    bucket: bucket_store.Bucket, client: Any, retention: dict[str, Any], problem: set[str]
) -> None:
    lock(client, bucket.name, retention)
    assert ids(bucket) - {"evidence.W002"} == problem


def test_a_lock_without_a_default_is_named(bucket: bucket_store.Bucket, client: Any) -> None:
    client.put_object_lock_configuration(
        Bucket=bucket.name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )
    assert ids(bucket) - {"evidence.W002"} == {"evidence.W001"}


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([GLACIER | {"Status": "Disabled"}], {"evidence.W002"}),
        ([GLACIER | {"Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}], {"evidence.W002"}),
        ([GLACIER | {"Transitions": [{"Days": 365, "StorageClass": "STANDARD_IA"}]}], {"evidence.W002"}),
        ([GLACIER | {"Expiration": {"Days": 400}}], {"evidence.E007"}),
        ([GLACIER, {"ID": "off", "Status": "Disabled", "Filter": {}, "Expiration": {"Days": 1}}], set()),
    ],
)
def test_a_lifecycle_that_hides_or_never_archives_is_named(
    bucket: bucket_store.Bucket,
    client: Any,
    lifecycles: None,
    rules: list[dict[str, Any]],
    problem: set[str],
) -> None:
    client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration={"Rules": rules})
    assert ids(bucket) == problem


def test_a_plain_bucket_is_unfit(client: Any, endpoint: str) -> None:
    client.create_bucket(Bucket="plain")
    plain = bucket_store.Bucket("plain", client)
    assert ids(plain) == {"evidence.E002", "evidence.E005", "evidence.W002"}
    assert all(problem.cure for problem in plain.list_problems())


def test_no_bucket_and_no_service_are_said_to_operators(client: Any) -> None:
    assert ids(bucket_store.Bucket("absent", client)) == {"evidence.E001"}
    nobody: Any = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
    )
    with pytest.raises(EvidenceError) as refused:
        bucket_store.Bucket("x", nobody).put("k", b"", LATER)
    assert refused.value.code == "evidence:store-unavailable"
    assert refused.value.retryable
    nobody.close()


@pytest.mark.django_db
def test_sealing_keeps_block_bundle_and_record_for_seven_years(
    production: bucket_store.Bucket, client: Any
) -> None:
    sealed = sealing.seal(SUBJECT, b"bundle")
    assert sealing.seal(SUBJECT, b"bundle") == sealed
    listed = client.list_object_versions(Bucket=production.name)["Versions"]
    assert len(listed) == 3
    for each in listed:
        held = client.head_object(Bucket=production.name, Key=each["Key"])
        assert held["ObjectLockMode"] == "COMPLIANCE"
        assert held["ObjectLockRetainUntilDate"] == datetime(2033, 1, 2, tzinfo=UTC)


@pytest.mark.django_db
def test_nothing_is_sealed_into_an_unfit_bucket(production: bucket_store.Bucket, client: Any) -> None:
    lock(client, production.name, {"Mode": "GOVERNANCE", "Years": 7})
    with pytest.raises(EvidenceError) as refused:
        sealing.seal(replace(SUBJECT, flow_id="task_3"))
    assert refused.value.code == "evidence:store-unfit"
    assert "COMPLIANCE" in refused.value.cure
    assert "Versions" not in client.list_object_versions(Bucket=production.name)


@pytest.mark.django_db
def test_a_bucket_is_not_served_by_a_key_on_a_disk(
    production: bucket_store.Bucket, settings: LazySettings
) -> None:
    settings.EVIDENCE_SIGNING_KEY = ""
    with pytest.raises(EvidenceError) as refused:
        sealing.seal(SUBJECT)
    assert refused.value.code == "evidence:no-signing-key"
    found = {problem.id for problem in setup.list_problems()}
    # Beside it, a service without lifecycles lacks the archive.
    assert found - {"evidence.W002"} == {"evidence.E006"}
    assert not (settings.STATE_DIR / "keys").exists()


def test_seven_years_are_calendar_years() -> None:
    assert store.retain_until(datetime(2026, 11, 22, tzinfo=UTC)) == datetime(2033, 11, 22, tzinfo=UTC)
    assert store.retain_until(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2035, 3, 1, tzinfo=UTC)

"""Evidence in S3: COMPLIANCE retention with an explicit date, checksums on the wire, nothing ever
overwritten.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from orchestrator.flows.evidence.errors import EvidenceConflict, SetupProblem, StoreUnavailable

# S3 itself and the services that imitate it use different codes for the same refusals.
_EXISTS = frozenset({"PreconditionFailed", "412"})
_RACED = frozenset({"ConditionalRequestConflict", "409", "OperationAborted"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_MAX_ATTEMPTS = 3
_MIN_YEARS, _MIN_DAYS = 7, 2555  # S3 counts 7 years as 2,555 days
_ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_ARCHIVE_DAYS = range(365, 367)


class Bucket:
    """A store in the bucket ``name``."""

    def __init__(self, name: str, client: Any) -> None:
        self.name, self.client = name, client

    def put(self, key: str, content: bytes, retain_until: datetime) -> None:
        """Keep ``content`` under ``key`` at least until ``retain_until``; raises ``EvidenceConflict`` and
        ``StoreUnavailable``.
        """
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            try:
                return self._write_once(key, content, retain_until)
            except (ClientError, BotoCoreError) as error:
                code = read_error_code(error)
                if code in _EXISTS:
                    return self._extend_retention(key, content, retain_until)
                # Two writers at once: the loser tries again and then finds the object of the winner.
                if code not in _RACED or attempt == _MAX_ATTEMPTS:
                    raise describe_outage(self.name, error) from error
        return None

    def get(self, key: str) -> bytes | None:
        """What is stored under ``key``; ``None`` where nothing is."""
        try:
            found = self.client.get_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
            return bytes(found["Body"].read())
        except (ClientError, BotoCoreError) as error:
            if read_error_code(error) in _ABSENT:
                return None
            raise describe_outage(self.name, error) from error

    def list_problems(self) -> tuple[SetupProblem, ...]:
        """What the bucket lacks: the lock, versions, the way to the archive."""
        try:
            return (*self._check_lock(), *self._check_versions(), *self._check_lifecycle())
        except (ClientError, BotoCoreError) as error:
            outage = describe_outage(self.name, error)
            return (_serious("evidence.E001", outage.message, outage.cure),)

    def _write_once(self, key: str, content: bytes, retain_until: datetime) -> None:
        self.client.put_object(
            Bucket=self.name,
            Key=key,
            Body=content,
            ChecksumAlgorithm="SHA256",  # S3 takes a locked object only with this header or an MD5
            ChecksumSHA256=encode_checksum(content),
            IfNoneMatch="*",  # refused where any object is there already
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=retain_until,
        )

    def _extend_retention(self, key: str, content: bytes, retain_until: datetime) -> None:
        """Keep the object that is there as long as the new one would be kept. COMPLIANCE lets no date be
        brought forward.
        """
        if self.get(key) != content:
            raise EvidenceConflict(key)
        try:
            found = self.client.head_object(Bucket=self.name, Key=key).get("ObjectLockRetainUntilDate")
            # S3 keeps whole seconds.
            if found is None or found < retain_until - timedelta(seconds=1):
                retention = {"Mode": "COMPLIANCE", "RetainUntilDate": retain_until}
                self.client.put_object_retention(Bucket=self.name, Key=key, Retention=retention)
        except (ClientError, BotoCoreError) as error:
            raise describe_outage(self.name, error) from error

    def _check_lock(self) -> list[SetupProblem]:
        found = self._read_setting("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
        lock = found.get("ObjectLockConfiguration", {})
        if lock.get("ObjectLockEnabled") != "Enabled":
            message = f"The bucket {self.name} has no Object Lock."
            cure = (
                "Object Lock is set when a bucket is made: `terraform apply` in deploy/terraform makes one; "
                "copy what is there."
            )
            return [_serious("evidence.E002", message, cure)]
        default = lock.get("Rule", {}).get("DefaultRetention", {})
        if not default:
            message = f"The bucket {self.name} has no default retention; what others put there is not kept."
            return [_warning("evidence.W001", message, "Set COMPLIANCE, 7 years, as default retention.")]
        return self._check_retention(default)

    def _check_retention(self, default: Mapping[str, Any]) -> list[SetupProblem]:
        problems = []
        mode = default.get("Mode")
        if mode != "COMPLIANCE":
            message = f"The default retention of {self.name} is {mode}: an administrator may lift it."
            problems.append(_serious("evidence.E003", message, "Set its mode to COMPLIANCE."))
        # S3's 7 years are one or two days short of the calendar's. That is enough here, because each
        # object gets its exact date.
        if default.get("Years", 0) < _MIN_YEARS and default.get("Days", 0) < _MIN_DAYS:
            message = f"The default retention of {self.name} is shorter than 7 years."
            problems.append(_serious("evidence.E004", message, "Set it to Years: 7 or Days: 2557."))
        return problems

    def _check_versions(self) -> list[SetupProblem]:
        if self.client.get_bucket_versioning(Bucket=self.name).get("Status") == "Enabled":
            return []
        return [_serious("evidence.E005", f"The bucket {self.name} keeps no versions.", "Enable versioning.")]

    def _check_lifecycle(self) -> list[SetupProblem]:
        found = self._read_setting("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration")
        rules = [rule for rule in found.get("Rules", []) if rule.get("Status") == "Enabled"]
        problems = []
        # The lock keeps the version, but expiry puts a delete marker over it, and a plain GET then finds
        # nothing.
        if any(rule.get("Expiration", {}).keys() & {"Days", "Date"} for rule in rules):
            message = f"A rule of {self.name} expires objects: what the log names would seem lost."
            cure = "Remove Expiration from its lifecycle rules."
            problems.append(_serious("evidence.E007", message, cure))
        if not any(map(_is_archived_after_a_year, rules)):
            message = f"Nothing in {self.name} moves to Glacier after a year."
            cure = "Add a rule: transition to GLACIER after 365 days (deploy/terraform has it)."
            problems.append(_warning("evidence.W002", message, cure))
        return problems

    def _read_setting(self, method: str, code_if_unset: str) -> dict[str, Any]:
        """A setting of the bucket; empty where it was never set, which S3 answers with an error."""
        try:
            return dict(getattr(self.client, method)(Bucket=self.name))
        except ClientError as error:
            if read_error_code(error) == code_if_unset:
                return {}
            raise


@lru_cache(maxsize=4)
def open_bucket(name: str, endpoint: str) -> Bucket:
    """The store of ``name``; credentials come by AWS' own rules. One client serves all threads of a
    process.
    """
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        # A service of one's own seldom has a host name for each bucket.
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    return Bucket(name, boto3.client("s3", endpoint_url=endpoint or None, config=config))


def open_configured() -> Bucket:
    """The bucket that the settings name."""
    return open_bucket(settings.CONTEXT_BUNDLE_BUCKET, settings.S3_ENDPOINT_URL)


def encode_checksum(content: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def read_error_code(error: ClientError | BotoCoreError) -> str:
    """The service's code for what went wrong; the type of the error where the service did not answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def describe_outage(name: str, error: ClientError | BotoCoreError) -> StoreUnavailable:
    """The error for a bucket that cannot be used now."""
    return StoreUnavailable(
        f"The evidence bucket {name} cannot be used: {read_error_code(error)}.",
        cure="Check that CONTEXT_BUNDLE_BUCKET and S3_ENDPOINT_URL are right, the credentials allow "
        "s3:PutObject, s3:GetObject and s3:PutObjectRetention, and the service is up; then retry.",
    )


def _serious(id_: str, message: str, cure: str) -> SetupProblem:
    return SetupProblem(id_, message, cure, serious=True)


def _warning(id_: str, message: str, cure: str) -> SetupProblem:
    return SetupProblem(id_, message, cure, serious=False)


def _is_archived_after_a_year(rule: Mapping[str, Any]) -> bool:
    return any(
        move.get("StorageClass") in _ARCHIVE_CLASSES and move.get("Days") in _ARCHIVE_DAYS
        for move in rule.get("Transitions", [])
    )

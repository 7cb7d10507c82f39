"""Evidence in S3: COMPLIANCE retention with an explicit date, checksums on the wire, nothing ever
overwritten.
"""

import base64
import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.evidence.folder_store import report_conflict
from orchestrator.flows.evidence.problems import SetupProblem

_EXISTS = {"PreconditionFailed", "412"}
_RACED = {"ConditionalRequestConflict", "409", "OperationAborted"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_TRIES = 3


class Bucket:
    """A store in the bucket ``name``."""

    def __init__(self, name: str, client: Any) -> None:
        self.name, self.client = name, client

    def put(self, key: str, content: bytes, retain_until: datetime) -> None:
        """Keep ``content`` under ``key`` until ``retain_until``; a copy that is there is kept as long, if
        need be longer.
        """
        for attempt in range(_TRIES):
            try:
                self.client.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=content,
                    ChecksumAlgorithm="SHA256",  # a locked object is taken only with this header or an MD5
                    ChecksumSHA256=encode_checksum(content),
                    IfNoneMatch="*",
                    ObjectLockMode="COMPLIANCE",
                    ObjectLockRetainUntilDate=retain_until,
                )
            except (ClientError, BotoCoreError) as error:
                if read_code(error) in _EXISTS:
                    return self._keep_longer(key, content, retain_until)
                if read_code(error) not in _RACED or attempt == _TRIES - 1:
                    raise report_unavailable(self.name, error) from error
            else:
                return None
        return None

    def get(self, key: str) -> bytes | None:
        """What lies under ``key``."""
        try:
            return bytes(
                self.client.get_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")["Body"].read()
            )
        except (ClientError, BotoCoreError) as error:
            if read_code(error) in _ABSENT:
                return None
            raise report_unavailable(self.name, error) from error

    def _keep_longer(self, key: str, content: bytes, retain_until: datetime) -> None:
        if self.get(key) != content:
            raise report_conflict(key)
        try:
            held = self.client.head_object(Bucket=self.name, Key=key).get("ObjectLockRetainUntilDate")
            if held is None or held < retain_until - timedelta(seconds=1):
                retention = {"Mode": "COMPLIANCE", "RetainUntilDate": retain_until}
                self.client.put_object_retention(Bucket=self.name, Key=key, Retention=retention)
        except (ClientError, BotoCoreError) as error:
            raise report_unavailable(self.name, error) from error

    def list_problems(self) -> tuple[SetupProblem, ...]:
        """What the bucket lacks: the lock, versions, the way to the archive."""
        try:
            return (*self._check_lock(), *self._check_versions(), *self._check_lifecycle())
        except (ClientError, BotoCoreError) as error:
            failure = report_unavailable(self.name, error)
            return (SetupProblem("evidence.E001", str(failure), failure.cure, serious=True),)

    def _check_lock(self) -> list[SetupProblem]:
        cure = "Object Lock is set when a bucket is made: `terraform apply` in deploy/terraform makes one; copy what is there."
        found = self._ask("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
        lock = found.get("ObjectLockConfiguration", {})
        if lock.get("ObjectLockEnabled") != "Enabled":
            return [
                SetupProblem(
                    "evidence.E002", f"The bucket {self.name} has no Object Lock.", cure, serious=True
                )
            ]
        default = lock.get("Rule", {}).get("DefaultRetention", {})
        if not default:
            message = f"The bucket {self.name} has no default retention; what others put there is not held."
            return [
                SetupProblem(
                    "evidence.W001", message, "Set COMPLIANCE, 7 years, as default retention.", serious=False
                )
            ]
        problems = []
        if default.get("Mode") != "COMPLIANCE":
            message = f"The default retention of {self.name} is {default.get('Mode')}: an administrator may lift it."
            problems.append(
                SetupProblem("evidence.E003", message, "Set its mode to COMPLIANCE.", serious=True)
            )
        # S3 counts 7 years as 2,555 days, one or two short of the calendar; each object gets its exact
        # date besides.
        if default.get("Years", 0) < 7 and default.get("Days", 0) < 2555:
            message = f"The default retention of {self.name} is shorter than 7 years."
            problems.append(
                SetupProblem("evidence.E004", message, "Set it to Years: 7 or Days: 2557.", serious=True)
            )
        return problems

    def _check_versions(self) -> list[SetupProblem]:
        if self.client.get_bucket_versioning(Bucket=self.name).get("Status") == "Enabled":
            return []
        return [
            SetupProblem(
                "evidence.E005",
                f"The bucket {self.name} keeps no versions.",
                "Enable versioning.",
                serious=True,
            )
        ]

    def _check_lifecycle(self) -> list[SetupProblem]:
        found = self._ask("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration").get(
            "Rules", []
        )
        rules = [rule for rule in found if rule.get("Status") == "Enabled"]
        problems = []
        # The lock keeps the version, but a delete marker over it makes whoever asks for the object find
        # nothing.
        if any(rule.get("Expiration", {}).keys() & {"Days", "Date"} for rule in rules):
            message = f"A rule of {self.name} expires objects: what the log names would seem lost."
            problems.append(
                SetupProblem(
                    "evidence.E007", message, "Take Expiration out of its lifecycle rules.", serious=True
                )
            )
        moves = [move for rule in rules for move in rule.get("Transitions", [])]
        if not any(
            move.get("StorageClass") in {"GLACIER", "DEEP_ARCHIVE"} and 365 <= move.get("Days", 0) <= 366
            for move in moves
        ):
            cure = "Add a rule: transition to GLACIER after 365 days (deploy/terraform has it)."
            message = f"Nothing in {self.name} moves to Glacier after a year."
            problems.append(SetupProblem("evidence.W002", message, cure, serious=False))
        return problems

    def _ask(self, question: str, nothing: str) -> dict[str, Any]:
        try:
            return dict(getattr(self.client, question)(Bucket=self.name))
        except ClientError as error:
            if read_code(error) == nothing:
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
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    return Bucket(name, boto3.client("s3", endpoint_url=endpoint or None, config=config))


def encode_checksum(content: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def read_code(error: ClientError | BotoCoreError) -> str:
    """The service's code for what went wrong; the type of the error where the service was not heard."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def report_unavailable(name: str, error: ClientError | BotoCoreError) -> EvidenceError:
    """The bucket cannot be used now."""
    return EvidenceError(
        "evidence:store-unavailable",
        f"The evidence bucket {name} cannot be used: {read_code(error)}.",
        "See that CONTEXT_BUNDLE_BUCKET and S3_ENDPOINT_URL are right, the credentials allow s3:PutObject, s3:GetObject and "
        "s3:PutObjectRetention, and the service is up; then retry.",
        retryable=True,
    )


def open_configured() -> Bucket:
    """The bucket that the settings name."""
    return open_bucket(settings.CONTEXT_BUNDLE_BUCKET, settings.S3_ENDPOINT_URL)

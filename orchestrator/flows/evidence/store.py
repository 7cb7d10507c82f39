"""Where evidence is kept: a bucket with Object Lock in production, a folder on a machine of one's own.

Keys: ``content/sha256/<digest>`` for blocks and context bundles; ``repos/<repo>/flows/<flow>/<sequence>.json`` for the record
that names them. Nothing under a key is ever replaced.
"""

from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from django.conf import settings

from orchestrator.flows.evidence import local
from orchestrator.flows.evidence.canonical import sha256
from orchestrator.flows.evidence.problems import Problem

RETENTION_YEARS = 7


class Store(Protocol):
    """Write once, read for years."""

    def put(self, key: str, content: bytes, retain_until: datetime) -> None:
        """Keep ``content`` under ``key`` at least until ``retain_until``.

        The same content under the same key is fine; another raises ``EvidenceError`` ``evidence:conflict``.
        """
        ...

    def get(self, key: str) -> bytes | None:
        """What lies under ``key``."""
        ...

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the store's own set-up."""
        ...


def current() -> Store:
    """The bucket, if one is named, else the folder."""
    if settings.CONTEXT_BUNDLE_BUCKET:
        s3 = import_module(
            "orchestrator.flows.evidence.s3"
        )  # brings boto3, which takes most of a second to load
        found: Store = s3.bucket(settings.CONTEXT_BUNDLE_BUCKET, settings.S3_ENDPOINT_URL)
        return found
    return local.Folder(Path(settings.STATE_DIR) / "evidence")


def put_content(keep: Store, content: bytes, moment: datetime) -> str:
    """Keep ``content`` in ``keep`` under its SHA-256, which is returned, for seven years from ``moment``."""
    digest = sha256(content)
    keep.put(content_key(digest), content, retain_until(moment))
    return digest


def content_key(sha256: str) -> str:
    """Where content lies by its digest."""
    return f"content/sha256/{sha256}"


def record_key(repo: str, flow_id: str, sequence: int) -> str:
    """Where the record of a sealing lies."""
    return f"repos/{quote(repo, safe='')}/flows/{flow_id}/{sequence:08d}.json"


def retain_until(moment: datetime) -> datetime:
    """Seven calendar years on. (S3's own ``Years: 7`` is 2,555 days, one or two short.)"""
    try:
        return moment.replace(year=moment.year + RETENTION_YEARS)
    except ValueError:  # the 29th of February: the day after, never the day before
        return moment.replace(year=moment.year + RETENTION_YEARS, month=3, day=1)

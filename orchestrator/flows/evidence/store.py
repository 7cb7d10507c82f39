"""Where evidence is kept: a bucket with Object Lock in production, a folder on a developer's machine.

Keys: ``content/sha256/<digest>`` for blocks and context bundles;
``repos/<repo>/flows/<flow>/<sequence>.json`` for the record that names them. Nothing under a key is ever
replaced.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from django.conf import settings

from blocks.format.canonical import sha256
from orchestrator.core.registry import Registry
from orchestrator.flows.evidence.errors import SetupProblem

RETENTION_YEARS = 7


class Store(Protocol):
    """Write once, read for years."""

    def put(self, key: str, content: bytes, retain_until: datetime) -> None:
        """Keep ``content`` under ``key`` at least until ``retain_until``.

        The same content under the same key is fine; other content raises ``EvidenceError``
        ``evidence:conflict``.
        """
        ...

    def get(self, key: str) -> bytes | None:
        """What is stored under ``key``; ``None`` where nothing is."""
        ...

    def list_problems(self) -> tuple[SetupProblem, ...]:
        """What is wrong with the store's own set-up."""
        ...


# Lazy: the bucket brings boto3, which takes most of a second to load.
STORES: Registry[Callable[[], Store]] = Registry(
    "evidence store",
    {
        "bucket": "orchestrator.flows.evidence.bucket_store:open_configured",
        "folder": "orchestrator.flows.evidence.folder_store:open_configured",
    },
)


def current_store() -> Store:
    """The bucket, if the settings name one, else the folder."""
    return STORES.get("bucket" if settings.CONTEXT_BUNDLE_BUCKET else "folder")()


def put_content(keep: Store, content: bytes, moment: datetime) -> str:
    """Keep ``content`` in ``keep`` for seven years from ``moment``; the SHA-256 that it is stored under."""
    digest = sha256(content)
    keep.put(content_key(digest), content, retain_until(moment))
    return digest


def content_key(digest: str) -> str:
    """The key of content with this SHA-256."""
    return f"content/sha256/{digest}"


def record_key(repo: str, flow_id: str, sequence: int) -> str:
    """The key of the record of a sealing."""
    # Eight digits, so that a listing by name is in the order of the log.
    return f"repos/{quote(repo, safe='')}/flows/{flow_id}/{sequence:08d}.json"


def retain_until(moment: datetime) -> datetime:
    """Seven calendar years after ``moment``. (S3's own ``Years: 7`` is 2,555 days, one or two short.)"""
    year = moment.year + RETENTION_YEARS
    try:
        return moment.replace(year=year)
    except ValueError:
        # The 29th of February: the day after, never the day before.
        return moment.replace(year=year, month=3, day=1)

"""The keys that signed evidence, and the hash-chained log of what was sealed."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class EvidenceKey(models.Model):
    """A public key that has signed evidence, in force or retired.

    Blocks signed long ago are checked against it.
    """

    key_id = models.CharField(primary_key=True, max_length=64)
    public_pem = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.key_id


class EvidenceLog(models.Model):
    """One sealing in the hash-chained log of a repo. A trigger refuses every change; see ``evidence/log.py``.

    ``hash`` is the SHA-256 of repo, sequence, flow, manifest, content and the previous hash;
    ``content_sha256`` covers the digests of manifest and statements; ``envelope`` is the signed entry, as it
    is stored in the block.
    """

    repo = models.CharField(max_length=100)
    sequence = models.PositiveBigIntegerField()
    # A plain id: the chain must stay whole when a flow's rows are deleted.
    flow = models.CharField(max_length=25)
    manifest_sha256 = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)
    envelope = models.TextField()
    key_id = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["repo", "sequence"]
        constraints = [
            # Two seals at once cannot both follow the same entry: the chain of a repo has no forks.
            models.UniqueConstraint(fields=["repo", "sequence"], name="evidence_log_sequence_once"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="evidence_log_counts_from_one"),
        ]
        indexes = [models.Index(fields=["flow"], name="evidence_log_by_flow")]

    def __str__(self) -> str:
        return f"{self.repo} {self.sequence}"

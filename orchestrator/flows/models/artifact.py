"""What stages leave behind, and the block that a flow yields."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.flows.models.flow import Flow
from orchestrator.flows.models.stage import Stage
from orchestrator.repos.models import Repo


class Blob(models.Model):
    """Bytes under their SHA-256, stored once."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    content = models.BinaryField()
    size = models.PositiveBigIntegerField()
    # Who brought it first, and so whose storage it counts for.
    repo = models.ForeignKey(
        Repo, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        # Summed from the index alone, before each new flow.
        indexes = [models.Index(fields=["repo"], include=["size"], name="blob_size_by_repo")]

    def __str__(self) -> str:
        return self.sha256


class Artifact(models.Model):
    """What a stage left behind: a context bundle, generated files, a gate's evidence, a manifest."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="artifacts")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="artifacts")
    kind = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=100)
    # PROTECT: blobs are stored once per content, so other rows may refer to the same bytes.
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]
        # Later stages ask for an artifact by stage and kind, so there must be one answer.
        constraints = [models.UniqueConstraint(fields=["stage", "kind"], name="artifact_kind_once_per_stage")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


class Block(models.Model):
    """What a flow yields: one module, its tests, its contract, its docs, with signed evidence."""

    # PROTECT: a block without its flow would have no provenance.
    flow = models.OneToOneField(Flow, on_delete=models.PROTECT, related_name="block")
    repo = models.ForeignKey(Repo, on_delete=models.PROTECT, related_name="blocks")
    family = models.CharField(max_length=100)
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    summary = models.TextField(blank=True, default="", db_default="")
    manifest = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    quality_score = models.DecimalField(max_digits=5, decimal_places=2)
    verified = models.BooleanField()
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two flows of one block may end at the same time; a version is still given once.
            models.UniqueConstraint(fields=["repo", "family", "name", "version"], name="block_version_once"),
            models.CheckConstraint(
                condition=Q(version__gte=1) & Q(quality_score__gte=0, quality_score__lte=100),
                name="block_sane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.family}/{self.name} v{self.version}"

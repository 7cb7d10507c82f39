"""The shape of what a flow yielded."""

from rest_framework import serializers

from orchestrator.flows.models import Block
from orchestrator.rest.resolved_fields import ResolvedFields


class BlockSerializer(ResolvedFields, serializers.ModelSerializer[Block]):
    """What a flow yielded."""

    quality_score = serializers.CharField()
    # The primary key of the manifest's blob is its digest, so no file is read.
    manifest_sha256 = serializers.CharField(source="manifest_id")
    url = serializers.SerializerMethodField()

    class Meta:
        model = Block
        fields = [
            "family",
            "name",
            "version",
            "summary",
            "verified",
            "quality_score",
            "manifest_sha256",
            "created_at",
            "url",
        ]

    def get_url(self, block: Block) -> str:
        """Where the archive is."""
        return f"/api/v1/flows/{block.flow_id}/block/"

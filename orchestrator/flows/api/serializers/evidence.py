"""The shapes of evidence and of the keys that signed it."""

from typing import Any

from rest_framework import serializers

from orchestrator.flows.models.states import FlowStatus


class FlowEvidenceSerializer(serializers.Serializer[Any]):
    """Evidence files: text, or base64 where a file is not text."""

    flow = serializers.CharField()
    status = serializers.ChoiceField(choices=FlowStatus.choices)
    files = serializers.DictField()


class EvidenceKeySerializer(serializers.Serializer[Any]):
    """One public key."""

    key_id = serializers.CharField(help_text="SHA-256 of the key as SubjectPublicKeyInfo (DER).")
    algorithm = serializers.ChoiceField(choices=["ed25519"])
    public_key = serializers.CharField(help_text="PEM.")
    current = serializers.BooleanField(help_text="Whether blocks are signed with it now.")


class EvidenceKeysSerializer(serializers.Serializer[Any]):
    """All keys that have signed evidence, the current one first."""

    keys = EvidenceKeySerializer(many=True)

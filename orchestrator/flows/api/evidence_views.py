"""The public keys over REST: open to all, because whoever holds a block may check it."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows.evidence import keys
from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.models import EvidenceKey


class KeyShown(s.Serializer[Any]):
    """One public key."""

    key_id = s.CharField(help_text="SHA-256 of the key as SubjectPublicKeyInfo (DER).")
    algorithm = s.ChoiceField(choices=["ed25519"])
    public_key = s.CharField(help_text="PEM.")
    current = s.BooleanField(help_text="Whether blocks are signed with it now.")


class KeysShown(s.Serializer[Any]):
    """All keys that have signed evidence, the one in force first."""

    keys = KeyShown(many=True)


class Keys(APIView):
    """The keys that evidence is checked with."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(operation_id="evidence_keys", tags=["evidence"], responses=KeysShown, auth=[])
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List the public keys of the evidence, in force and retired."""
        return Response({"keys": listed()})


def listed() -> list[dict[str, Any]]:
    """Every public key, the one in force first. Where this process has no key, the last one that signed is in force."""
    known = {key.key_id: key.public_pem for key in EvidenceKey.objects.all()}
    try:
        own = keys.current()
        current, known = own.key_id, {own.key_id: own.public_pem} | known
    except EvidenceError:
        current = next(iter(known), "")
    in_order = sorted(known, key=lambda key_id: key_id != current)
    return [
        {"key_id": key_id, "algorithm": "ed25519", "public_key": known[key_id], "current": key_id == current}
        for key_id in in_order
    ]

"""The public keys over REST: open to everyone, because anyone who has a block may check it."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows.api.serializers.evidence import EvidenceKeysSerializer
from orchestrator.flows.evidence import keys
from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.models import EvidenceKey
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.query_names import KnownQueryOnly


class EvidenceKeysView(APIView):
    """The keys that evidence is checked with."""

    # Empty also here, or a wrong token would be answered with 401 although none is needed.
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = [KnownQueryOnly]

    @describe_operation("evidence_keys", tags=["evidence"], responses=EvidenceKeysSerializer, auth=[])
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List the public keys of the evidence, in force and retired."""
        return Response(EvidenceKeysSerializer({"keys": list_public_keys()}).data)


def list_public_keys() -> list[dict[str, Any]]:
    """Every public key, the current one first.

    Where this process has no key, the last one that signed is current.
    """
    known = {key.key_id: key.public_pem for key in EvidenceKey.objects.all()}
    try:
        own = keys.current_key()
        current, known = own.key_id, {own.key_id: own.public_pem} | known
    except EvidenceError:
        # A web process needs no signing key; the newest row is the last key that signed.
        current = next(iter(known), "")
    # A stable sort by False before True: the current key first, the others in the order of the rows.
    in_order = sorted(known, key=lambda key_id: key_id != current)
    return [
        {"key_id": key_id, "algorithm": "ed25519", "public_key": known[key_id], "current": key_id == current}
        for key_id in in_order
    ]

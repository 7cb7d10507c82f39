"""The bucket of context bundles and evidence: lock, versions, archive."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from orchestrator.flows.evidence import bucket_store
from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, judge

_UNREACHABLE: Final = "evidence.E001"
# Which findings of the store's check stand against which line.
_AGAINST: Final = {
    "object-lock": ("evidence.E002", "evidence.E003", "evidence.E004", "evidence.W001"),
    "versioning": ("evidence.E005",),
    "lifecycle": ("evidence.W002", "evidence.E007"),
}


class StorageCheck:
    """Asks the bucket, with the check that sealing itself relies on."""

    section = "Storage (S3)"
    phases = PHASES
    lines = (
        ChecklistLine("bucket", "Context bundles bucket: `s3://context-bundles-prod/`"),
        ChecklistLine("object-lock", "Object Lock enabled (COMPLIANCE mode, 7-year retention)"),
        ChecklistLine("versioning", "Versioning enabled (immutability)"),
        ChecklistLine("lifecycle", "Lifecycle policy: archive to Glacier after 1 year"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """The bucket that the settings name."""
        name = settings.CONTEXT_BUNDLE_BUCKET
        # A folder has no lock: who can write there can change the evidence.
        if not name:
            cure = "Set CONTEXT_BUNDLE_BUCKET, and S3_ENDPOINT_URL where it is not AWS."
            for line in self.lines:
                yield judge(line.key, False, "no bucket is configured; evidence is in a folder", cure)
            return
        # The name of the bucket is the deployment's choice, so it is said and not compared.
        problems = {problem.id: problem for problem in bucket_store.open_configured().list_problems()}
        away = problems.get(_UNREACHABLE)
        found = f"s3://{name}/ answers" if away is None else away.message
        yield judge("bucket", away is None, found, "" if away is None else away.cure)
        for key, ids in _AGAINST.items():
            # A bucket that does not answer proves nothing.
            against = [problems[one] for one in (_UNREACHABLE, *ids) if one in problems]
            words = " ".join(one.message for one in against) or "as it should be"
            yield judge(key, not against, words, " ".join(one.cure for one in against))


CHECK = StorageCheck()

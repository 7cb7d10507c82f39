"""What must hold before an apply."""

from collections.abc import Sequence

from infra.plan import Resource

PROTECTED = frozenset({"database", "bucket"})


def deletions(resources: Sequence[Resource]) -> list[str]:
    """Addresses of protected resources that the plan would delete, in order."""
    return sorted(r.address for r in resources if r.action == "delete" and r.type in PROTECTED)

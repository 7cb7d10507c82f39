"""What `manage.py check --deploy` says about the evidence: the key, the lock, versions, the way to the
archive.
"""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from orchestrator.flows.evidence import setup


@register("evidence", deploy=True)
def evidence_is_safe(**_options: Any) -> list[CheckMessage]:
    """Asks the bucket, so it runs with --deploy only."""
    return [
        (Error if problem.serious else Warning)(problem.message, hint=problem.cure, id=problem.id)
        for problem in setup.list_problems()
    ]

"""What `manage.py check --deploy` says about the evidence: the key, the lock, versions, the way to the archive."""

from importlib import import_module
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register


@register("evidence", deploy=True)
def evidence_is_safe(**_options: Any) -> list[CheckMessage]:
    """Asks the bucket, so it runs with --deploy only."""
    setup = import_module("orchestrator.flows.evidence.setup")  # brings boto3, which no other command needs to load
    return [
        (Error if problem.serious else Warning)(problem.message, hint=problem.cure, id=problem.id) for problem in setup.problems()
    ]

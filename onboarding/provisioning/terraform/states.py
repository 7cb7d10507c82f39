"""The state of Terraform for each repo: sealed, in PostgreSQL, under a lock that ends by itself.

Two workers and one repo:

1. The first takes the lock with a random token, and renews it while Terraform runs.
2. It is killed. Its Terraform dies with it; its lock ends a little later.
3. The second takes the lock with another token.
4. Where the first was only slow and comes back, its token is not the row's any more, so it writes nothing.

The version counts the writes: a state that was read before somebody else wrote is never written over theirs.
"""

import json
import logging
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from onboarding.models import TerraformState
from orchestrator.core import database
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.sealing import SealBroken, seal, unseal
from orchestrator.core.sql import load_statements

log = logging.getLogger(__name__)
LOCK_SECONDS: Final = 20.0
"""How long a lock outlives its holder; it is renewed three times in that."""
_PURPOSE: Final = "terraform state"
_SQL: Final = load_statements(__file__)


class StateLocked(OrchestratorError):
    """Terraform runs for this repo already."""

    code = "onboarding:state-locked"
    cure = "Wait: the lock of a worker that was lost ends after some seconds."
    retryable = True
    http_status = 409

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class StateTakenOver(OrchestratorError):
    """Another worker has the state of this repo now; what this one has is not written."""

    code = "onboarding:state-taken-over"
    cure = "Nothing is left to do: the other worker continues."
    http_status = 409


@dataclass(frozen=True, slots=True)
class HeldState:
    """A state that this worker may write while ``token`` is the row's. ``content`` is empty at first."""

    repo_name: str
    token: UUID
    version: int
    content: bytes = field(repr=False)


def hold_state(repo_name: str, holder: str) -> HeldState:
    """Lock the state of a repo; ``holder`` is for people. Raises ``StateLocked``."""
    values = {"repo": repo_name, "token": uuid.uuid4(), "holder": holder, "seconds": LOCK_SECONDS}
    # One statement, so of two workers one gets the row.
    won = database.find_row(_SQL["hold_state"], values)
    if won is None:
        # For people only: who has it, and until when.
        there = TerraformState.objects.get(repo_name=repo_name)
        raise StateLocked(
            f"Terraform runs for {repo_name} already, by {there.held_by}.",
            there.held_until or database.read_clock(),
        )
    content = _open_content(repo_name, won.sealed)
    return HeldState(repo_name, won.token, won.version, content)


def _open_content(repo_name: str, sealed: bytes | None) -> bytes:
    if not sealed:
        return b""
    try:
        return unseal(bytes(sealed), _PURPOSE)
    except SealBroken:
        # The same as lost: what it described is found by its mark and adopted.
        log.warning("the state of %s cannot be opened, and is built again", repo_name)
        return b""


def read_integration_key(repo_name: str) -> str:
    """The key with which the repo's PagerDuty service is paged; empty where it has none. Needs no lock."""
    row = TerraformState.objects.filter(repo_name=repo_name).first()
    content = b""
    if row is not None and row.sealed is not None:
        content = _open_content(repo_name, bytes(row.sealed))
    # Terraform's own format of a state: a resource without instances was destroyed.
    for resource in json.loads(content or b"{}").get("resources", ()):
        if resource["type"] == "pagerduty_service_integration" and resource["instances"]:
            return str(resource["instances"][0]["attributes"]["integration_key"])
    return ""


def renew_hold(held: HeldState) -> None:
    """Keep the lock; raises ``StateTakenOver``."""
    values = {"repo": held.repo_name, "token": held.token, "seconds": LOCK_SECONDS}
    # No row: its lock has run out and somebody else has taken it.
    if not database.fetch_rows(_SQL["renew_hold"], values):
        raise StateTakenOver(f"The state of {held.repo_name} is held by another worker.")


def write_state(held: HeldState, content: bytes) -> HeldState:
    """Store ``content`` as the next version; raises ``StateTakenOver``."""
    values = {
        "repo": held.repo_name,
        "token": held.token,
        "version": held.version,
        "sealed": seal(content, _PURPOSE),
    }
    if not database.fetch_rows(_SQL["write_state"], values):
        raise StateTakenOver(f"The state of {held.repo_name} is held by another worker.")
    return HeldState(held.repo_name, held.token, held.version + 1, content)


def release_hold(held: HeldState) -> None:
    """Let others have it. Does nothing where somebody else has it already."""
    database.fetch_rows(_SQL["release_hold"], {"repo": held.repo_name, "token": held.token})


def forget_state(held: HeldState) -> None:
    """Delete the row: everything that it described is gone."""
    database.fetch_rows(_SQL["forget_state"], {"repo": held.repo_name, "token": held.token})

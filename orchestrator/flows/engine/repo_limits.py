"""What one repo may use beside tokens and money: open flows, flows a minute, bytes that are kept.

Asked under a lock of the repo and before the write that uses more, in its transaction, so that many callers
at once cannot pass a limit together; for a new flow, by the statement that creates it. Tokens and money are
the limiter's (``providers.limiter``).
"""

import math
from typing import Any

from django.db import transaction

from orchestrator.core import database
from orchestrator.core.errors import FixedBy
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine.errors import EngineError
from orchestrator.repos.models import Repo
from orchestrator.repos.repo_settings import RepoLimits

_SQL = load_statements(__file__)
_MB = 1_000_000
# When an open flow ends is not known; a client that asks again after this long costs little.
_OPEN_FLOW_SECONDS = 30


class RepoLimitReached(EngineError):
    """The repo has used what it may use."""

    code = "repo:limit-reached"
    fixed_by = FixedBy.OPERATOR
    http_status = 429

    def __init__(
        self,
        message: str,
        *,
        code: str,
        cure: str,
        http_status: int = 429,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, code=code, cure=cure)
        self.http_status, self.retry_after_seconds = http_status, retry_after_seconds


def name_lock(repo: Repo) -> str:
    """What is locked while ``repo`` may use more."""
    return f"use of repo {repo.pk}"


def refuse_used(repo: Repo, limits: RepoLimits, use: Any, size: int) -> None:
    """Raise ``RepoLimitReached`` where ``use``, a row of ``create_flow``, leaves no room for one more flow.

    It carries a snapshot of ``size`` bytes.
    """
    _require_open_flow(repo.name, use, limits)
    if use.seconds_until_flow is not None:
        raise RepoLimitReached(
            f"repo {repo.name} has started its {limits.flows_minute:,} flows of this minute.",
            code="repo:too-many-flows",
            cure="Send it again after the time in Retry-After; "
            f"an operator sets more: `blocks config set budget.flows_minute N --repo {repo.name}`.",
            retry_after_seconds=max(1, math.ceil(use.seconds_until_flow)),
        )
    # Not measured where the bytes are kept already, which then count once.
    if use.stored_bytes is not None:
        _require_storage(repo.name, use.stored_bytes, limits, size)


def require_open_flow(repo: Repo, limits: RepoLimits) -> None:
    """Raise ``RepoLimitReached`` where ``repo`` may not have one more flow open.

    Must run inside the transaction that opens it; the repo stays locked until that ends.
    """
    _require_open_flow(repo.name, _measure(repo, limits, ""), limits)


def require_storage(repo: Repo, limits: RepoLimits, digest: str, size: int) -> None:
    """Raise ``RepoLimitReached`` where a snapshot is more than ``repo`` may keep; also in a transaction."""
    use = _measure(repo, limits, digest)
    # The same bytes are kept once.
    _require_storage(repo.name, use.stored_bytes, limits, 0 if use.snapshot_is_kept else size)


def _measure(repo: Repo, limits: RepoLimits, digest: str) -> Any:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("The limits of a repo are asked inside the transaction that uses more.")
    asked = {"repo": repo.pk, "open_flows": limits.open_flows, "snapshot": digest}
    return database.fetch_locked_rows(name_lock(repo), _SQL["measure_repo_use"], asked)[0]


def _require_open_flow(name: str, use: Any, limits: RepoLimits) -> None:
    if use.open_flows < limits.open_flows:
        return
    raise RepoLimitReached(
        f"repo {name} has {limits.open_flows:,} open flows, which is all that it may have.",
        code="repo:too-many-open-flows",
        cure="Wait until one ends, or cancel one that is not needed; "
        f"an operator sets more: `blocks config set budget.open_flows N --repo {name}`.",
        retry_after_seconds=_OPEN_FLOW_SECONDS,
    )


def _require_storage(name: str, stored_bytes: int, limits: RepoLimits, size: int) -> None:
    # A repo that keeps all it may can still start flows that bring nothing.
    if size == 0 or stored_bytes + size <= limits.stored_bytes:
        return
    raise RepoLimitReached(
        f"repo {name} keeps {stored_bytes / _MB:,.1f} of its {limits.stored_bytes / _MB:,.1f} MB, "
        f"and {size / _MB:,.1f} MB more do not fit.",
        code="repo:storage-full",
        cure="Send fewer files as context; "
        f"an operator sets more: `blocks config set budget.stored_mb N --repo {name}`.",
        http_status=413,
    )

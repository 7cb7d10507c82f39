"""Flows that ended so long ago that the files they worked with are removed (``ops.retention``)."""

from datetime import timedelta

from django.conf import settings

from orchestrator.core import database
from orchestrator.flows.engine.errors import EngineError, NotRetryable
from orchestrator.flows.models import Flow


class FilesRemoved(EngineError):
    """The files that the flow worked with are removed, so it cannot be run again."""

    code = "replay:too-old"
    cure = "Run a new flow with the same feature request; the sealed block and its evidence stay."


def may_have_lost_files(flow: Flow) -> bool:
    """Whether they may be gone at any time from now on.

    By the clock that removes them, so nothing that is run again can lose them in the middle.
    """
    days = settings.WORKING_FILES_KEPT_DAYS
    if days == 0 or flow.finished_at is None:
        return False
    return database.read_clock() - flow.finished_at >= timedelta(days=days)


def require_files_for_retry(flow: Flow) -> None:
    """Raise ``NotRetryable`` for such a flow."""
    if may_have_lost_files(flow):
        raise NotRetryable(
            f"{flow.id} ended more than {settings.WORKING_FILES_KEPT_DAYS} days ago, and the files it worked "
            "with are removed by then.",
            code="flow:too-old",
            cure="Create a new flow with the same feature request.",
        )


def require_files_for_replay(flow: Flow) -> None:
    """Raise ``FilesRemoved`` for such a flow."""
    if may_have_lost_files(flow):
        raise FilesRemoved(
            f"{flow.id} ended more than {settings.WORKING_FILES_KEPT_DAYS} days ago, and the files it worked "
            "with are removed by then."
        )

"""Why something cannot be done to an incident."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class UnknownIncident(OrchestratorError):
    """There is no such incident."""

    code = "incidents:unknown"
    cure = "`blocks incident list` shows their numbers."
    fixed_by = FixedBy.REQUESTER
    http_status = 404


class IncidentResolved(OrchestratorError):
    """The incident is resolved, so nothing can be done to it except its review."""

    code = "incidents:resolved"
    cure = "Open another one if it is wrong again: `blocks incident open --severity P2 --title TITLE`."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class TimeRefused(OrchestratorError):
    """The time is in the future, or more than 30 days back."""

    code = "incidents:wrong-time"
    cure = "Give the time at which it happened, with its zone, such as 2026-03-02T08:15:00Z."
    fixed_by = FixedBy.REQUESTER


class ReviewUnfinished(OrchestratorError):
    """A review without a root cause cannot be finished."""

    code = "incidents:no-root-cause"
    cure = "Write the root cause first: `blocks incident review NUMBER --root-cause TEXT`."
    fixed_by = FixedBy.REQUESTER

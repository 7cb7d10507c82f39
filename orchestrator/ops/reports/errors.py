"""Why a report cannot be given."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class ReportPeriodRefused(OrchestratorError):
    """A report cannot be made for this period."""

    code = "reports:bad-period"
    cure = "Name a day that is over in UTC as YYYY-MM-DD, or one of the ranges that /api/v1/docs/ lists."
    fixed_by = FixedBy.REQUESTER


class ReportTooLong(OrchestratorError):
    """The report takes longer to read than a request may."""

    code = "reports:too-long"
    cure = "Ask for fewer days. If it stays so, let the days be counted: `manage.py count_days`."
    fixed_by = FixedBy.OPERATOR

"""The filters of flows and of what belongs to a flow."""

import re
from datetime import datetime, timedelta

import django_filters as filters
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestrator.flows.models import Flow, GateResult
from orchestrator.flows.models.states import FlowStatus
from orchestrator.repos.access import repo_for
from orchestrator.rest.filters import refuse_filter
from providers.models import ProviderCall

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_YES = {"1", "true", "yes"}


class FlowFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """``?status=passed,failed&repo=...&since=24h&failed=true``; each narrows the list further."""

    status = filters.CharFilter(method="filter_status", help_text="One or several, comma-separated.")
    repo = filters.CharFilter(method="filter_repo")
    since = filters.CharFilter(
        method="filter_since", help_text="An ISO 8601 time, or how long ago: 1h, 24h, 7d."
    )
    failed = filters.CharFilter(method="filter_failed", help_text="true: only flows that failed.")

    class Meta:
        model = Flow
        fields: list[str] = []

    def filter_status(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:  # noqa: ARG002
        """Flows in one of the comma-separated statuses."""
        wanted = set(value.split(","))
        unknown = sorted(wanted - set(FlowStatus.values))
        if unknown:
            refuse_filter(f"{unknown[0]!r} is not a status.", cure=f"Use: {', '.join(FlowStatus.values)}.")
        return rows.filter(status__in=wanted)

    def filter_repo(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:  # noqa: ARG002
        """Flows of one repo, which must be within the caller's reach."""
        # A foreign repo is refused and not answered with an empty list, as everywhere.
        return rows.filter(repo=repo_for(self.request, value))

    def filter_since(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:  # noqa: ARG002
        """Flows that were created at that time or later."""
        return rows.filter(created_at__gte=parse_since(value))

    def filter_failed(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:  # noqa: ARG002
        """Flows that failed, where the value says yes; any other value filters nothing."""
        return rows.filter(status=FlowStatus.FAILED) if value.lower() in _YES else rows


class GateResultFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """``?gate=mutation&round=2&verdict=failed`` over the gate results of one flow."""

    class Meta:
        model = GateResult
        fields = ["gate", "round", "verdict"]


class ProviderCallFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """``?provider=openai&status=settled`` over the provider calls of one flow."""

    class Meta:
        model = ProviderCall
        fields = ["provider", "model", "status"]


def parse_since(text: str) -> datetime:
    """A time: ISO 8601, or how long ago it was, such as ``90s``, ``30m``, ``1h`` or ``7d``."""
    try:
        # More days than a date can be back: an overflow, which is the caller's.
        if ago := _AGO.fullmatch(text):
            return timezone.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        # In a query string an unescaped plus sign, as in +02:00, arrives as a space.
        found = parse_datetime(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        found = None
    if found is None:
        refuse_filter(f"since={text!r} is not a time.", cure="Send 1h, 24h, or an ISO 8601 time.")
    # A time without an offset is taken as one in UTC, the time zone of the service.
    return found if found.tzinfo else timezone.make_aware(found)

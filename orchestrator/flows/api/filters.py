"""The filters of flows and of what belongs to a flow."""

import re
from datetime import UTC, datetime, timedelta

import django_filters as filters
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field

from orchestrator.flows.models import Flow, GateResult
from orchestrator.flows.models.flow import first_flow_id
from orchestrator.flows.models.states import FlowStatus
from orchestrator.repos.access import repo_for
from orchestrator.rest.filters import FlagFilter, StrictFilterSet, refuse_filter
from providers.models import ProviderCall

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_STATUS = "|".join(FlowStatus.values)
_TIMES = {"type": "string", "anyOf": [{"pattern": r"^[0-9]{1,4}[smhd]$"}, {"format": "date-time"}]}
# Of the machines that make ids and the database's, at the very most.
_CLOCKS_APART = timedelta(days=1)
# Before any flow, and far enough from the first time that an id can tell.
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
_HOW = "this moment: ISO 8601, or how long ago, such as 90s, 30m, 24h or 7d."


class FlowFilter(StrictFilterSet):
    """``?status=passed,failed&repo=...&since=24h&failed=true``; each narrows the list further."""

    status = filters.CharFilter(method="filter_status")
    repo = filters.CharFilter(method="filter_repo", help_text="Its name.")
    author = filters.CharFilter(field_name="created_by", help_text="Who created it: `token:<name>`.")
    family = filters.CharFilter(field_name="block_family", help_text="The block family.")
    model = filters.CharFilter(method="filter_model", help_text="A model that it has asked.")
    created_after = filters.CharFilter(method="filter_created_after")
    created_before = filters.CharFilter(method="filter_created_before")
    # The older name of created_after.
    since = filters.CharFilter(method="filter_created_after")
    failed = FlagFilter("true: only flows that failed.", method="filter_failed")

    class Meta:
        model = Flow
        fields: list[str] = []

    @extend_schema_field(
        {
            "type": "string",
            "pattern": f"^({_STATUS})(,({_STATUS}))*$",
            "description": "One or several, comma-separated.",
        }
    )
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

    def filter_model(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:  # noqa: ARG002
        """Flows with a call to that model, by the name that was asked."""
        return rows.filter(Exists(ProviderCall.objects.filter(flow_id=OuterRef("pk"), model=value)))

    @extend_schema_field({**_TIMES, "description": f"Only flows created since {_HOW}"})
    def filter_created_after(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:
        """Flows that were created at that time or later."""
        since = parse_since(value, name)
        # Lists are in the order of ids, which tell the time: with this bound a list of few flows ends there,
        # and does not look at all older ones.
        first = first_flow_id(max(since, _OLDEST) - _CLOCKS_APART)
        return rows.filter(created_at__gte=since, pk__gte=first)

    @extend_schema_field({**_TIMES, "description": f"Only flows created before {_HOW}"})
    def filter_created_before(self, rows: QuerySet[Flow], name: str, value: str) -> QuerySet[Flow]:
        """Flows that were created before that time."""
        return rows.filter(created_at__lt=parse_since(value, name))

    def filter_failed(self, rows: QuerySet[Flow], name: str, value: bool) -> QuerySet[Flow]:  # noqa: ARG002
        """Flows that failed; false filters nothing."""
        return rows.filter(status=FlowStatus.FAILED) if value else rows


class GateResultFilter(StrictFilterSet):
    """``?gate=mutation&round=2&verdict=failed`` over the gate results of one flow."""

    class Meta:
        model = GateResult
        fields = ["gate", "round", "verdict"]


class ProviderCallFilter(StrictFilterSet):
    """``?provider=openai&status=settled`` over the provider calls of one flow."""

    class Meta:
        model = ProviderCall
        fields = ["provider", "model", "status"]


def parse_since(text: str, name: str = "since") -> datetime:
    """A time: ISO 8601, or how long ago it was, such as ``90s``, ``30m``, ``1h`` or ``7d``."""
    try:
        # More days than a date can be back: an overflow, which is the caller's.
        if ago := _AGO.fullmatch(text):
            return timezone.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        # In a query string an unescaped plus sign, as in +02:00, arrives as a space.
        found = parse_datetime(text.replace(" ", "+"))
        # PostgreSQL takes no offset of 16 hours and more, which ISO 8601 and Python do.
        found = found.astimezone(UTC) if found is not None and found.tzinfo is not None else found
    except (ValueError, OverflowError):
        found = None
    if found is None:
        refuse_filter(f"{name}={text[:60]!r} is not a time.", cure="Send 1h, 24h, or an ISO 8601 time.")
    # A time without an offset is taken as one in UTC, the time zone of the service.
    return found if found.tzinfo else timezone.make_aware(found)

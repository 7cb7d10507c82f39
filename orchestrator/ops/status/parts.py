"""How each part of the service stands, for the public: ok, degraded or down, and a few words.

No repo, no key, no address.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q

from blocks.format.moments import describe_moment
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus, StageStatus
from orchestrator.flows.worker import presence
from orchestrator.ops.dashboards.numbers import format_duration
from orchestrator.ops.observability import health_metrics, part_health
from orchestrator.ops.status.core_parts import check_core
from orchestrator.queues import list_queues
from providers import quota_report
from providers.quota_report import ProviderQuota

SLOW_SECONDS = 120.0
"""A stage that has been ready for longer than this found no worker: the queue is behind."""


LATE_SECONDS = 60.0
"""A replica or a message that is later than this is late."""
FULL_SHARE = 0.10
"""With less than this of its disk free, the evidence store is nearly full."""
ENDING_DAYS = 14
"""A certificate or token with fewer days left has to be renewed now."""
SUCCESS_TARGET_PERCENT = 99
"""The runbook's target for flows that end."""


class Level(StrEnum):
    """How well a part works."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class ServicePart:
    """One line of the page. ``percent`` of a quota that is used, where there is one."""

    name: str
    level: Level
    words: str = ""
    percent: float | None = None


def find_worst(parts: Iterable[ServicePart]) -> Level:
    """The level of the whole. The service is down only when a part of its core is."""
    levels = {part.level for part in parts}
    # Queues and providers are degraded at worst, so only a part of the core can yield DOWN.
    return next((level for level in (Level.DOWN, Level.DEGRADED) if level in levels), Level.OK)


def check_parts(now: datetime) -> list[tuple[str, list[ServicePart]]]:
    """Core, queues, providers, each with its parts; with the core down only the core is known."""
    core = [ServicePart("API", Level.OK), *_check_core()]
    # Everything else is read from the database and would only repeat its failure as an error page.
    if find_worst(core) is not Level.OK:
        return [("Core", core)]
    return [
        ("Core", core),
        ("Flows", [_check_success(count_flows(now))]),
        ("Queues", _check_queues(now)),
        ("Messages and stores", _check_surroundings(now)),
        ("Providers", [_check_provider(one, now) for one in quota_report.read_quotas().providers]),
    ]


def count_flows(now: datetime) -> dict[str, Any]:
    """The flows of the last 24 hours, and their success rate in percent."""
    flows: dict[str, Any] = Flow.objects.filter(created_at__gte=now - timedelta(hours=24)).aggregate(
        passed=Count("id", filter=Q(status=FlowStatus.PASSED)),
        failed=Count("id", filter=Q(status=FlowStatus.FAILED)),
        going=Count("id", filter=~Q(status__in=FLOW_ENDED)),
        waiting=Count("id", filter=Q(status__in=[FlowStatus.WAITING, FlowStatus.PAUSED])),
    )
    # A cancelled flow says nothing about quality: a person ended it.
    ended = flows["passed"] + flows["failed"]
    return flows | {"rate": None if not ended else round(100 * flows["passed"] / ended, 1)}


def _check_success(flows: Mapping[str, Any]) -> ServicePart:
    rate = flows["rate"]
    if rate is None:
        return ServicePart("Success rate", Level.OK, "no flow has ended in 24 hours")
    words = f"{rate} % in 24 hours, the target is {SUCCESS_TARGET_PERCENT} %"
    level = Level.DEGRADED if rate < SUCCESS_TARGET_PERCENT else Level.OK
    return ServicePart("Success rate", level, words)


def _check_core() -> list[ServicePart]:
    return [_check_core_part(name.capitalize(), state) for name, state in check_core().items()]


def _check_core_part(name: str, state: str) -> ServicePart:
    if state == "ok":
        return ServicePart(name, Level.OK)
    return ServicePart(name, Level.DOWN, state)


def _check_queues(now: datetime) -> list[ServicePart]:
    # Without order_by() the columns of the model's default order would be grouped by, too.
    # A ready stage of a paused flow waits on purpose and does not show that workers are missing.
    queued = Q(status=StageStatus.READY) & ~Q(flow__status=FlowStatus.PAUSED)
    rows = (
        Stage.objects.filter(status__in=[StageStatus.READY, StageStatus.RUNNING])
        .order_by()
        .values("queue")
        .annotate(
            ready=Count("id", filter=queued),
            running=Count("id", filter=Q(status=StageStatus.RUNNING)),
            oldest=Min("ready_at", filter=queued),
        )
    )
    found = {row["queue"]: row for row in rows}
    workers = presence.count_workers()
    return [_check_queue(queue, found.get(queue), workers[queue], now) for queue in list_queues()]


def _check_queue(
    queue: str, row: Mapping[str, Any] | None, workers: presence.QueueWorkers, now: datetime
) -> ServicePart:
    words = "idle" if row is None else f"{row['running']} running, {row['ready']} queued"
    if not workers.beating:
        return ServicePart(queue, Level.DEGRADED, f"{words}; no worker answers")
    if workers.silent:
        of = workers.beating + workers.silent
        return ServicePart(queue, Level.DEGRADED, f"{words}; {workers.silent} of {of} workers do not answer")
    oldest = None if row is None else row["oldest"]
    if isinstance(oldest, datetime) and (now - oldest).total_seconds() > SLOW_SECONDS:
        return ServicePart(
            queue,
            Level.DEGRADED,
            f"{words}, the oldest for {format_duration((now - oldest).total_seconds())}",
        )
    return ServicePart(queue, Level.OK, words)


def _check_surroundings(now: datetime) -> list[ServicePart]:
    """What flows need later than now: messages, replicas, certificates, disks. Degraded at worst."""
    parts = [_check_outbox()]
    for replica in part_health.read_replicas():
        lag = replica.lag_seconds
        words = "does not answer" if lag is None else f"{format_duration(lag)} behind"
        level = Level.DEGRADED if lag is None or lag > LATE_SECONDS else Level.OK
        parts.append(ServicePart(replica.name.replace("replica", "Replica "), level, words))
    parts += _check_expiries(now)
    space = part_health.read_disk_space()
    if space is not None:
        level = Level.DEGRADED if space.free_share < FULL_SHARE else Level.OK
        parts.append(ServicePart("Evidence", level, f"{100 * space.free_share:.0f} % of its disk is free"))
    return parts


def _check_outbox() -> ServicePart:
    standing = health_metrics.read_outgoing_events()
    words = f"{standing.waiting} to deliver"
    if standing.given_up:
        return ServicePart("Messages", Level.DEGRADED, f"{words}; {standing.given_up} given up")
    # An event waits for its first pause, or for the morning of somebody who sleeps.
    if standing.overdue > LATE_SECONDS:
        return ServicePart("Messages", Level.DEGRADED, f"{words}, {format_duration(standing.overdue)} late")
    return ServicePart("Messages", Level.OK, words)


def _check_expiries(now: datetime) -> list[ServicePart]:
    """One line for each kind: names stay inside."""
    found = part_health.read_expiries()
    parts = []
    for kind in sorted({one.kind for one in found}):
        ends = [one.at for one in found if one.kind == kind]
        known = [at for at in ends if at is not None]
        soonest = min(known, default=None)
        words, level = "cannot be read", Level.DEGRADED
        if len(known) == len(ends) and soonest is not None:
            days = (soonest - now).days
            words = f"the next ends in {days} days" if days >= 0 else "one has ended"
            level = Level.DEGRADED if days < ENDING_DAYS else Level.OK
        parts.append(ServicePart(f"{kind.capitalize()}s", level, words))
    return parts


def _check_provider(one: ProviderQuota, now: datetime) -> ServicePart:
    # Only the first reason is shown: what a person decided comes before what passes by itself.
    used = f"{one.used:,} of {one.limit:,} tokens in 24 hours"
    percent = round(min(100.0, one.percent), 2)
    if one.paused:
        return ServicePart(one.provider, Level.DEGRADED, f"paused by an operator; {used}", percent)
    if one.breaker == "open":
        return ServicePart(one.provider, Level.DEGRADED, f"not answering, tried again soon; {used}", percent)
    if one.account_exhausted:
        words = f"the account there has run out; an operator has to top it up; {used}"
        return ServicePart(one.provider, Level.DEGRADED, words, percent)
    if one.not_before is not None and one.not_before > now:
        return ServicePart(
            one.provider,
            Level.DEGRADED,
            f"asks us to wait until {describe_moment(one.not_before, now)}; {used}",
            percent,
        )
    if percent >= settings.CIRCUIT_BREAKER_THRESHOLD:
        return ServicePart(one.provider, Level.DEGRADED, f"little quota is left; {used}", percent)
    return ServicePart(one.provider, Level.OK, used, percent)

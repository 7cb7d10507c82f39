"""A synthetic alert through the real chain: Prometheus's rule, Alertmanager's routes, the receivers' answers.

Prometheus knows the labels of the rule, so the alert takes the way of a real one. Alertmanager says which
receivers it belongs to, and counts for each kind of receiver the messages that were accepted and refused.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx2
import yaml
from django.conf import settings

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.ops.alerts.models import AlertTestResult

ACCEPTED_WITHIN_SECONDS: Final = 30.0
# After this it is resolved, wherever it fired.
ALERT_LASTS: Final = timedelta(seconds=60)
_TIMEOUT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2
_COUNTER = re.compile(
    r'^alertmanager_(notifications(?:_failed)?_total)\{.*?integration="(\w+)".*?\} (\S+)$', re.M
)

_EXTERNAL_LABEL = re.compile(r"\{\{ *\$externalLabels\.(\w+) *\}\}")
_LINKS: Final = ("runbook_url", "dashboard_url")


class AlertTestFailed(OrchestratorError):
    """The synthetic alert did not reach every receiver."""

    code = "alerts:not-accepted"
    cure = "Alertmanager's log names the receiver and its answer; check its addresses and keys."
    fixed_by = FixedBy.OPERATOR
    http_status = 502


class UnknownAlert(OrchestratorError):
    """There is no alert of that name."""

    code = "alerts:unknown"
    fixed_by = FixedBy.REQUESTER
    http_status = 404


class AlertingUnavailable(OrchestratorError):
    """Prometheus or Alertmanager cannot be reached."""

    code = "alerts:unavailable"
    cure = "Set PROMETHEUS_URL and ALERTMANAGER_URL to servers that answer."
    fixed_by = FixedBy.OPERATOR
    retryable = True
    http_status = 503


@dataclass(frozen=True, slots=True)
class AlertTest:
    """Who accepted the alert, and after how many seconds the last of them did."""

    name: str
    receivers: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Counters:
    """Messages by kind of receiver, as Alertmanager counts them since it started.

    ``sent`` counts attempts, refused ones included.
    """

    sent: Mapping[str, float]
    failed: Mapping[str, float]

    def accepted(self, kind: str) -> float:
        """Messages that receivers of this kind took."""
        return self.sent.get(kind, 0.0) - self.failed.get(kind, 0.0)


def record_alert_test(name: str, *, actor: str) -> AlertTest:
    """As ``run_alert_test``, and keep how it ended: the pre-flight reads the newest result.

    A name that no alert has leaves no row: callers choose it.
    """
    try:
        done = run_alert_test(name)
    except (AlertTestFailed, AlertingUnavailable) as error:
        # Outside of a transaction, so the row stays although the request fails.
        AlertTestResult.objects.create(name=name[:100], error=error.message, requested_by=actor)
        raise
    AlertTestResult.objects.create(
        name=name[:100], receivers=list(done.receivers), seconds=done.seconds, requested_by=actor
    )
    return done


def run_alert_test(name: str) -> AlertTest:
    """Send a synthetic alert ``name`` and wait until every receiver of its route has accepted it.

    Raises ``UnknownAlert``, ``AlertingUnavailable``, and after ``ACCEPTED_WITHIN_SECONDS``
    ``AlertTestFailed``.
    """
    rule = _find_rule(name)
    before = _read_counters()
    test_id, begun = uuid4().hex, time.monotonic()
    _post_alert(rule, test_id)
    kinds = _read_receiver_kinds()
    receivers: tuple[str, ...] = ()
    missing: list[str] = []
    while time.monotonic() - begun < ACCEPTED_WITHIN_SECONDS:
        receivers = receivers or _find_receivers(test_id)
        after = _read_counters()
        missing = [
            receiver
            for receiver in receivers
            if any(after.accepted(kind) <= before.accepted(kind) for kind in kinds.get(receiver, ()))
        ]
        if receivers and not missing:
            return AlertTest(name, receivers, round(time.monotonic() - begun, 2))
        time.sleep(_PAUSE_SECONDS)
    who = ", ".join(missing) or "no receiver"
    raise AlertTestFailed(f"{who} has not accepted {name} within {ACCEPTED_WITHIN_SECONDS:.0f} s.")


def _find_rule(name: str) -> dict[str, Any]:
    """The alerting rule of that name, as Prometheus has loaded it."""
    found = _ask("GET", settings.PROMETHEUS_URL, "/api/v1/rules", params={"type": "alert"}).json()
    rules = {rule["name"]: rule for group in found["data"]["groups"] for rule in group["rules"]}
    if name not in rules:
        known = ", ".join(sorted(rules)) or "none"
        raise UnknownAlert(f"There is no alert {name!r}.", cure=f"Name one of: {known}.")
    rule: dict[str, Any] = rules[name]
    return rule


def _read_external_labels() -> dict[str, str]:
    """The labels that Prometheus adds to every alert, and fills in in annotations."""
    found = _ask("GET", settings.PROMETHEUS_URL, "/api/v1/status/config").json()
    configuration = yaml.safe_load(found["data"]["yaml"])
    return dict(configuration["global"].get("external_labels") or {})


def _fill_in(template: str, labels: Mapping[str, str]) -> str:
    """An annotation of a rule, which Prometheus fills in for a real alert."""
    return _EXTERNAL_LABEL.sub(lambda match: labels.get(match[1], ""), template)


def _post_alert(rule: Mapping[str, Any], test_id: str) -> None:
    links = _read_external_labels()
    now = datetime.now(UTC)
    alert = {
        "labels": {**rule["labels"], "alertname": rule["name"], "synthetic": "true", "test_id": test_id},
        "annotations": {
            # The rule's own words hold places for values that a synthetic alert does not have.
            "summary": "A test of the alert chain: nothing is wrong",
            "action": "Nothing",
            **{name: _fill_in(rule["annotations"].get(name, ""), links) for name in _LINKS},
        },
        "startsAt": now.isoformat(),
        "endsAt": (now + ALERT_LASTS).isoformat(),
    }
    _ask("POST", settings.ALERTMANAGER_URL, "/api/v2/alerts", json=[alert])


def _find_receivers(test_id: str) -> tuple[str, ...]:
    """The receivers whose routes match; empty while Alertmanager has not sorted the alert in yet."""
    found = _ask(
        "GET", settings.ALERTMANAGER_URL, "/api/v2/alerts", params={"filter": f'test_id="{test_id}"'}
    ).json()
    return tuple(receiver["name"] for alert in found for receiver in alert["receivers"])


def _read_receiver_kinds() -> dict[str, tuple[str, ...]]:
    """The kinds of integration (``slack``, ``pagerduty``) of each receiver, as they are configured now."""
    status = _ask("GET", settings.ALERTMANAGER_URL, "/api/v2/status").json()
    configuration = yaml.safe_load(status["config"]["original"])
    kinds = {}
    for receiver in configuration["receivers"]:
        names = [key.removesuffix("_configs") for key in receiver if key.endswith("_configs")]
        kinds[receiver["name"]] = tuple(names)
    return kinds


def _read_counters() -> _Counters:
    text = _ask("GET", settings.ALERTMANAGER_URL, "/metrics").text
    sums: dict[str, dict[str, float]] = {"notifications_total": {}, "notifications_failed_total": {}}
    for name, kind, value in _COUNTER.findall(text):
        # Newer versions count the failures of a kind by reason, so a kind may come more than once.
        sums[name][kind] = sums[name].get(kind, 0.0) + float(value)
    return _Counters(sums["notifications_total"], sums["notifications_failed_total"])


def _ask(method: str, server: str, path: str, **how: Any) -> httpx2.Response:
    if not server:
        raise AlertingUnavailable("PROMETHEUS_URL and ALERTMANAGER_URL are not both set.")
    try:
        answer = httpx2.request(method, f"{server}{path}", timeout=_TIMEOUT_SECONDS, **how)
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        raise AlertingUnavailable(f"{path} cannot be read: {type(error).__name__}.") from error
    return answer

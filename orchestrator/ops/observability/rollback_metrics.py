"""Rollbacks as Prometheus sees them: what triggers see and decided, and what is rolled back now."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from orchestrator.ops.rollback import watch
from orchestrator.ops.rollback.models import NOT_OVER, Rollback, RollbackKind, TriggerState
from orchestrator.ops.rollback.trigger_protocol import TRIGGERS


def measure_rollbacks() -> Iterator[Metric]:
    """Verdicts, decisions and rollbacks. Zeros, too: none is not unknown."""
    actions = CounterMetricFamily(
        "rollback_actions_total", "What triggers of a rollback decided.", labels=["trigger", "verdict"]
    )
    for trigger, decision, count in watch.count_decisions():
        actions.add_metric([trigger, decision], count)
    seen = GaugeMetricFamily(
        "rollback_trigger_verdict", "1 for what a trigger saw last.", labels=["trigger", "verdict"]
    )
    values = GaugeMetricFamily(
        "rollback_trigger_ratio", "The figure of a trigger, from 0 to 1.", labels=["trigger"]
    )
    # A trigger that has not looked yet has every verdict at 0.
    states = {state.name: state for state in TriggerState.objects.all()}
    for name in TRIGGERS.names():
        state = states.get(name)
        for verdict in watch.VERDICTS:
            seen.add_metric([name, verdict], float(state is not None and state.verdict == verdict))
        if state is not None and state.value is not None:
            values.add_metric([name], state.value)
    standing = GaugeMetricFamily(
        "orchestrator_rollbacks", "Rollbacks that are not over.", labels=["kind", "status"]
    )
    live = list(Rollback.objects.filter(status__in=NOT_OVER).values_list("kind", "status"))
    for kind in RollbackKind.values:
        for status in NOT_OVER:
            standing.add_metric([kind, status.value], live.count((kind, status.value)))
    yield from (actions, seen, values, standing)

"""FlowEngine: replicas, limits, health checks, scaling. Only the cluster knows the last three."""

from collections.abc import Iterator
from typing import Final

from orchestrator.flows.worker import presence
from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, ask, judge

LEAST_REPLICAS: Final = 5
_GET: Final = "kubectl get deployment flowengine -n production -o"


class FlowEngineCheck:
    """Looks at the pods of the workers."""

    section = "FlowEngine (Kubernetes Deployment)"
    phases = PHASES
    lines = (
        ChecklistLine("replicas", "FlowEngine scaled to 5 replicas (from pilot: 3)"),
        ChecklistLine("resource-limits", "Resource limits: CPU 2 cores, Memory 4GB per pod"),
        ChecklistLine("health-checks", "Health checks configured (liveness: `/health`, readiness: `/ready`)"),
        ChecklistLine("autoscaler", "Horizontal Pod Autoscaler (HPA): min 5, max 20, target CPU 70%"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """Hosts with beating workers are counted; for the others a person asks the cluster."""
        # Hosts and not workers: a pod has a worker for each queue that it serves.
        hosts = presence.count_hosts()
        yield judge(
            "replicas",
            hosts >= LEAST_REPLICAS,
            f"workers beat on {hosts} hosts",
            f"Type `kubectl scale deployment flowengine -n production --replicas={LEAST_REPLICAS}`.",
        )
        # The limits of this process say nothing about those of the workers.
        yield ask(
            "resource-limits",
            "the cluster knows",
            f"Type `{_GET} jsonpath='{{.spec.template.spec.containers[*].resources}}'`: cpu 2, memory 4Gi.",
        )
        # That they answer here does not show that Kubernetes asks.
        yield ask(
            "health-checks",
            "both are answered here; the cluster knows whether it asks them",
            f"Type `{_GET} yaml | grep -A 3 Probe`: liveness asks /health, readiness /ready.",
        )
        yield ask(
            "autoscaler",
            "the cluster knows",
            "Type `kubectl get hpa flowengine -n production`: 5 to 20 pods, target 70 %.",
        )


CHECK = FlowEngineCheck()

"""Creates flows of the orchestrator as its web process does, and counts those that have ended: ``python -m bench.engine_driver``."""

import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.peers.window import serve, windowed  # noqa: E402 - Django comes first
from orchestrator.flows import engine  # noqa: E402
from orchestrator.flows.engine.database import rows  # noqa: E402
from orchestrator.flows.models import new_flow_id  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402

PASSED = "SELECT count(*) AS n FROM flows_flow WHERE id > %(since)s AND status = 'passed'"


def run(count: int) -> dict[str, Any]:
    """``count`` flows of no-ops, or of the type that the command line names."""
    repo, _ = Repo.objects.get_or_create(name="bench")
    flow_type = sys.argv[1] if len(sys.argv) > 1 else "noop"
    since = new_flow_id()
    measured = windowed(
        count,
        lambda _: engine.create(repo, "Nothing.", flow_type=flow_type),
        lambda: int(rows(PASSED, {"since": since})[0].n),
    )
    return {**measured, "since": since}


if __name__ == "__main__":
    serve(run)

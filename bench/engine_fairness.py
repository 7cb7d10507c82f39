"""Many flows of one repo, then one of another: ``python -m bench.engine_fairness`` prints when that one
started.
"""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.scale import choose_size  # noqa: E402 - Django comes first
from orchestrator.flows import engine  # noqa: E402 - Django comes first
from orchestrator.flows.models import Stage  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402

MANY = choose_size(full=500, small=6)

if __name__ == "__main__":
    busy, quiet = (Repo.objects.get_or_create(name=name)[0] for name in ("busy", "quiet"))
    for _ in range(MANY):
        engine.create(busy, "Nothing.", flow_type="nap")
    late = engine.create(quiet, "Nothing.", flow_type="nap")
    while (started := Stage.objects.get(flow=late).started_at) is None:
        time.sleep(0.01)
    sys.stdout.write(json.dumps({"waited_seconds": (started - late.created_at).total_seconds()}))

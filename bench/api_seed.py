"""Stores flows for ``bench.api``: ``python -m bench.api_seed FLOWS``. Prints what the clients need to ask.

The rows are copies of a flow that the engine has run to its end; only that one has stages, because a list
reads none.
"""

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.db import connection  # noqa: E402 - Django comes first

from bench.ops_scale_driver import REPOS, run_template  # noqa: E402
from bench.stored_flows import NEW_ID, NUMBERS, compose_insert  # noqa: E402
from orchestrator.flows.models import Flow  # noqa: E402
from orchestrator.repos import tokens  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402


def seed_flows(flows: int) -> dict[str, str]:
    """Store ``flows`` copies in ten repos; the id of the original, its repo and a token of that."""
    template = run_template()
    first = Repo.objects.get(name="repo-0")
    for number in range(1, REPOS):
        Repo.objects.create(name=f"repo-{number}")
    replaced = {
        "id": NEW_ID,
        "repo_id": f"{first.pk} + n %% {REPOS}",
        "created_by": "'person-' || n %% 40",
        # Not of this minute: a new flow counts those, and no repo has started a hundred thousand in one.
        "created_at": "old.created_at - interval '1 day'",
    }
    source = f"{Flow._meta.db_table} AS old, {NUMBERS} WHERE old.id = %(template)s"
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"template": template, "low": 1, "high": flows}
        cursor.execute(compose_insert(Flow, replaced, source), values)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    return {"flow": template, "repo": first.name, "token": tokens.create_token("bench", first)[1]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(seed_flows(int(sys.argv[1]))) + "\n")

"""Stores ended flows with all that they leave behind: ``python -m bench.stored_flows LOW HIGH``.

The rows are copies of a flow that the engine has run to its end. The columns come from the models, so that a
migration which adds or drops one cannot leave this module behind.
"""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.db import connection, models  # noqa: E402 - Django comes first

from orchestrator.flows.models import Attempt, Flow, FlowEvent, Stage  # noqa: E402

# Ids of flows that the engine makes begin with a later time, so a copy never meets one of them.
NEW_ID = "'task_00' || lpad(n::text, 18, '0')"
NUMBERS = "generate_series(%(low)s::int, %(high)s::int) AS n"
# The copy of an old stage is the stage with its position in the copied flow.
COPIED_STAGE = f"copied.flow_id = {NEW_ID} AND copied.position = stage.position"


def copy_flow(template: str, low: int, high: int) -> None:
    """Store copies number ``low`` to ``high`` of the ended flow ``template``, with its stages, attempts and
    events.
    """
    numbers: dict[str, str | int] = {"template": template, "low": low, "high": high}
    statements = (
        compose_insert(
            Flow,
            {"id": NEW_ID},
            f"{Flow._meta.db_table} AS old, {NUMBERS} WHERE old.id = %(template)s",
        ),
        compose_insert(
            Stage,
            {"flow_id": NEW_ID},
            f"{Stage._meta.db_table} AS old, {NUMBERS} WHERE old.flow_id = %(template)s",
        ),
        compose_insert(
            Attempt,
            # A token belongs to one attempt.
            {"stage_id": "copied.id", "token": "gen_random_uuid()"},
            f"{Attempt._meta.db_table} AS old JOIN {Stage._meta.db_table} AS stage ON stage.id = old.stage_id"
            f" CROSS JOIN {NUMBERS} JOIN {Stage._meta.db_table} AS copied ON {COPIED_STAGE}"
            " WHERE stage.flow_id = %(template)s",
        ),
        compose_insert(
            FlowEvent,
            {"flow_id": NEW_ID, "stage_id": "copied.id"},
            # An event of the flow as a whole has no stage.
            f"{FlowEvent._meta.db_table} AS old"
            f" LEFT JOIN {Stage._meta.db_table} AS stage ON stage.id = old.stage_id"
            f" CROSS JOIN {NUMBERS} LEFT JOIN {Stage._meta.db_table} AS copied ON {COPIED_STAGE}"
            " WHERE old.flow_id = %(template)s",
        ),
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, numbers)
        cursor.execute("VACUUM ANALYZE")
        # What the seeding has dirtied is written now, and not while flows are measured.
        cursor.execute("CHECKPOINT")


def compose_insert(model: type[models.Model], replaced: dict[str, str], source: str) -> str:
    """An INSERT of every column of ``model``, from the row ``old`` except for the ``replaced`` ones."""
    columns: list[str] = []
    values: list[str] = []
    for column in _list_columns(model):
        columns.append(f'"{column}"')
        values.append(replaced.get(column, f'old."{column}"'))
    target = f"{model._meta.db_table} ({', '.join(columns)})"
    return f"INSERT INTO {target} SELECT {', '.join(values)} FROM {source}"  # noqa: S608


def _list_columns(model: type[models.Model]) -> list[str]:
    """The columns that an INSERT may name: without numbers that the database gives and columns that it
    computes.
    """
    columns = []
    for field in model._meta.concrete_fields:
        is_numbered = isinstance(field, models.AutoField | models.BigAutoField)
        if field.column and not is_numbered and not field.generated:
            columns.append(field.column)
    return columns


def copy_newest_flow() -> None:
    """Copy the newest flow that has passed."""
    template = Flow.objects.filter(status="passed").order_by("-id").values_list("pk", flat=True).first()
    if template is None:
        raise SystemExit("No flow has passed yet: there is nothing to copy.")
    copy_flow(template, int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    copy_newest_flow()

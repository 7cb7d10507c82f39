"""The audit trail: who changed what that people decide on, when, why, and through which role of the database.

Triggers write it, so a change that somebody types into psql is in it as well. No trigger knows the person: a
door (the admin, a page, the API) says so first, in the transaction of the change. An entry without an actor
came through none of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction

from orchestrator.core import database
from orchestrator.core.redaction import redact_text
from orchestrator.core.sql import load_statements

MOST_REASON: Final = 500
"""Characters of a reason: it says why, and is not a report."""
_SQL = load_statements(__file__)


def name_actor(actor: str, reason: str = "") -> None:
    """Say who makes the changes of this transaction, and why. Called inside a transaction.

    Nothing is kept of it after the transaction, so a pooled connection tells nobody else's name.
    """
    # People paste logs into a reason.
    clean = redact_text(reason)[0]
    database.fetch_rows(_SQL["name_actor"], {"actor": actor[:150], "reason": clean[:MOST_REASON]})


@contextmanager
def act_as(actor: str, reason: str = "") -> Iterator[None]:
    """A transaction whose changes ``actor`` makes."""
    with transaction.atomic():
        name_actor(actor, reason)
        yield

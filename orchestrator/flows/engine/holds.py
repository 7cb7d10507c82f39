"""Pauses beyond one flow: of a repo, of a queue (and so of a provider), of everything.

Stages in their scope wait, and say why.
"""

from django.db import transaction

from orchestrator.core import audit, database
from orchestrator.core.sql import load_statements
from orchestrator.flows.models import Hold, HoldScope
from orchestrator.repos.models import Repo

_SQL = load_statements(__file__)


def hold(scope: str, target: str = "", *, actor: str = "", reason: str = "") -> bool:
    """Start no stage in ``scope`` (``everything``, ``repo``, ``queue``: a provider's queue has its name).

    What runs may end. False if it was held already. The dispatcher turns what is ready into waiting, with the
    reason.
    """
    with transaction.atomic():
        audit.name_actor(actor, reason)
        _, made = Hold.objects.get_or_create(
            scope=HoldScope(scope), target=target, defaults={"actor": actor, "reason": reason}
        )
        if scope == HoldScope.REPO:
            Repo.objects.filter(name=target).update(paused=True)
    return made


def release(scope: str, target: str = "", *, actor: str = "", reason: str = "") -> bool:
    """Take a hold away; the stages that waited for it continue in fair order. False if there was none."""
    with transaction.atomic():
        audit.name_actor(actor, reason)
        # Locked, so that of two releases only one moves the deadlines.
        held = Hold.objects.select_for_update().filter(scope=scope, target=target).first()
        if scope == HoldScope.REPO:
            Repo.objects.filter(name=target).update(paused=False)
        if held is None:
            return False
        database.fetch_rows(
            _SQL["extend_held_deadlines"], {"since": held.created_at, "scope": str(scope), "target": target}
        )
        held.delete()
    return True


def hold_ready_stages(limit: int) -> int:
    """Make ready stages that are held or paused wait; how many did."""
    # Most looks find no hold; the statement then only looks at paused flows.
    return len(database.fetch_rows(_SQL["hold_ready_stages"], {"limit": limit, "any": Hold.objects.exists()}))


def release_held_stages(limit: int) -> int:
    """Make stages ready that nothing holds any more; how many."""
    return len(database.fetch_rows(_SQL["release_held_stages"], {"limit": limit}))

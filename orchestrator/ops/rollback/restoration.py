"""How people bring back what was rolled back: one repo at a time, after GO by PM, TL and SRE.

- The newest vote of each role counts, and only while it has not expired.
- A NO stops it: every GO from before it is void, also those of other roles.
- Three different people say GO; nobody votes in two roles.
- The last repo that comes back ends the rollback, and onboarding is open again.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic
from orchestrator.ops.rollback import announcement, plan, record
from orchestrator.ops.rollback.errors import (
    RepoNotRolledBack,
    RollbackNotInForce,
    VoteRefused,
    VotesMissing,
)
from orchestrator.ops.rollback.models import (
    Rollback,
    RollbackKind,
    RollbackRepo,
    RollbackStatus,
    RollbackVote,
    VoterRole,
    VoteVerdict,
)
from orchestrator.repos import halts
from orchestrator.repos.models import Repo


def cast_vote(
    number: int, repo: str, *, role: str, verdict: str, actor: str, reason: str = ""
) -> RollbackVote:
    """Write down what ``actor`` says to bringing ``repo`` back, for ROLLBACK_VOTE_HOURS.

    An empty repo is for a rollback to the previous version, which has none. Raises ``RollbackNotInForce``,
    ``RepoNotRolledBack`` and ``VoteRefused``.
    """
    with transaction.atomic():
        rollback = _lock_in_force(number)
        row = _find_waiting(rollback, repo)
        # Live votes only: who has changed roles since may vote in the new one.
        other = [vote for vote in _list_live(rollback, row) if vote.person == actor and vote.role != role]
        if other:
            raise VoteRefused(f"{actor} has voted as {VoterRole(other[0].role).label} already.")
        vote = RollbackVote.objects.create(
            rollback=rollback,
            repo=_repo_of(row),
            role=VoterRole(role),
            person=actor[:150],
            verdict=VoteVerdict(verdict),
            reason=reason,
            expires_at=timezone.now() + timedelta(hours=settings.ROLLBACK_VOTE_HOURS),
        )
        what = repo or "ending the rollback"
        end = f": {reason}" if reason else "."
        record.write_note(rollback, f"{vote} on {what}{end}", actor=actor)
    return vote


def restore_repo(number: int, repo: str, *, actor: str) -> Rollback:
    """Bring ``repo`` back; without one, end a rollback to the previous version.

    Raises ``VotesMissing`` with who is missing, ``RepoNotRolledBack`` and ``RollbackNotInForce``.
    """
    with transaction.atomic():
        rollback = _lock_in_force(number)
        row = _find_waiting(rollback, repo)
        _require_votes(rollback, row)
        if row is not None:
            _bring_back(rollback, row, actor)
        # Under the lock of the rollback, so that of the last two repos one ends it.
        if not rollback.repos.filter(restored_at=None).exists():
            _end(rollback, actor)
    rollback.refresh_from_db()
    return rollback


def find_votes(rollback: Rollback, row: RollbackRepo | None) -> Mapping[str, RollbackVote]:
    """The newest live vote of each role. After a NO, only what was said since."""
    return {vote.role: vote for vote in _list_live(rollback, row)}


def _list_live(rollback: Rollback, row: RollbackRepo | None) -> list[RollbackVote]:
    """Votes that count, the oldest first: a NO, and what was said after it."""
    votes = list(rollback.votes.filter(repo=_repo_of(row)).order_by("id"))
    # From the newest back to the last NO: what was said before it is void.
    for place in reversed(range(len(votes))):
        if votes[place].verdict == VoteVerdict.NO:
            votes = votes[place:]
            break
    now = timezone.now()
    # A NO does not expire: it stands until its own role says GO.
    return [vote for vote in votes if vote.verdict == VoteVerdict.NO or vote.expires_at > now]


def _repo_of(row: RollbackRepo | None) -> Repo | None:
    return None if row is None else row.repo


def _require_votes(rollback: Rollback, row: RollbackRepo | None) -> None:
    votes = find_votes(rollback, row)
    name = row.repo.name if row else "it"
    refused = [vote for vote in votes.values() if vote.verdict == VoteVerdict.NO]
    if refused:
        raise VotesMissing(
            f"{name} does not come back: {refused[0]}: {refused[0].reason or 'no reason given'}.",
            cure="Solve what they name; then all three vote again.",
        )
    # All of them at once: nobody should come back three times to be told of the next.
    missing = [role for role in VoterRole if role not in votes]
    if missing:
        labels = ", ".join(role.label for role in missing)
        of_repo = f" --repo {row.repo.name}" if row else ""
        raise VotesMissing(
            f"{name} does not come back without GO by {labels}; GO by others may have expired.",
            cure=f"Let them vote: `blocks rollback vote{of_repo} --role {missing[0].value} --verdict go`.",
        )
    # The door of votes refuses it already; money and safety are asked twice.
    if len({vote.person for vote in votes.values()}) < len(VoterRole):
        raise VoteRefused


def _bring_back(rollback: Rollback, row: RollbackRepo, actor: str) -> None:
    is_on = halts.end_halt(row.repo, rollback.key, actor=actor)
    row.restored_at, row.restored_by = timezone.now(), actor[:150]
    row.save(update_fields=["restored_at", "restored_by"])
    end = "is enabled again" if is_on else "stays switched off: another rollback halts it"
    record.write_note(rollback, f"{row.repo} {end}.", actor=actor)
    # Drafted, as everything that is said: the owner hears of it when somebody has looked.
    if is_on and row.repo.team_lead:
        mail = plan.draft("repo_enabled_again", target=row.repo.team_lead, repo=row.repo.name)
        announcement.write_drafts(rollback, [mail])


def _end(rollback: Rollback, actor: str) -> None:
    # What was off before the rollback stays off, and may be switched on by hand again.
    halts.drop_halts(rollback.key)
    halts.resume_onboarding(rollback.key)
    rollback.status, rollback.ended_at = RollbackStatus.ENDED, timezone.now()
    rollback.ended_by = actor[:150]
    rollback.save(update_fields=["status", "ended_at", "ended_by"])
    record.write_note(rollback, f"Rollback {rollback.pk} is over.", actor=actor)
    announce(Topic.ROLLBACK_ENDED, record.list_facts(rollback))


def _lock_in_force(number: int) -> Rollback:
    rollback = record.find_rollback(number, locked=True)
    if rollback.status != RollbackStatus.IN_FORCE:
        raise RollbackNotInForce(f"{rollback}.")
    return rollback


def _find_waiting(rollback: Rollback, repo: str) -> RollbackRepo | None:
    """The row of the repo; None for a rollback without repos, which is ended as a whole."""
    waiting = rollback.repos.select_related("repo").filter(restored_at=None)
    if not repo:
        if rollback.kind == RollbackKind.VERSION or not waiting.exists():
            return None
        raise RepoNotRolledBack("Name one repo: they come back one at a time.")
    row = waiting.filter(repo__name=repo).first()
    if row is None:
        raise RepoNotRolledBack(f"{repo} does not wait in rollback {rollback.pk}.")
    return row

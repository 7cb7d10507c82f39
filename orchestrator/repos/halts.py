"""Halts: repos that stay switched off until what has halted them ends, and the pause of onboarding.

``repos.enabled`` is what everybody reads, the runbook's operators by hand too. A halt keeps it false: the
settings refuse to set it, and a trigger refuses a statement that does. So nothing comes back by itself, and
nobody brings back a repo past those who have to agree.
"""

from collections.abc import Iterable

from django.db import transaction

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos.models import OnboardingPause, Repo, RepoHalt, RepoSetting


class RepoHalted(OrchestratorError):
    """A rollback keeps the repo switched off."""

    code = "repo:halted"
    cure = "Bring it back with the agreement of PM, TL and SRE: `blocks rollback restore --repo REPO`."
    fixed_by = FixedBy.OPERATOR
    http_status = 409


def halt_repos(repos: Iterable[Repo], key: str, *, reason: str, actor: str) -> list[Repo]:
    """Switch ``repos`` off and keep them so; return those that were on. Again, it changes nothing."""
    wanted = list(repos)
    with transaction.atomic():
        # In one order, so that two halts at the same moment do not wait for each other for ever.
        locked = Repo.objects.select_for_update().filter(pk__in=[repo.pk for repo in wanted]).order_by("pk")
        switched = [repo for repo in locked if repo.enabled]
        # Also for those that are off: they must not come on by another door.
        rows = [RepoHalt(repo=repo, key=key, reason=reason, actor=actor) for repo in locked]
        RepoHalt.objects.bulk_create(rows, ignore_conflicts=True)
        # The history that every change of a setting leaves, in bulk: there may be hundreds.
        RepoSetting.objects.bulk_create(
            RepoSetting(repo=repo, key="enabled", value=False, actor=actor) for repo in switched
        )
        Repo.objects.filter(pk__in=[repo.pk for repo in switched]).update(enabled=False)
    return switched


def end_halt(repo: Repo, key: str, *, actor: str) -> bool:
    """End one halt, and switch the repo on where no other is left; whether it is on now."""
    with transaction.atomic():
        locked = Repo.objects.select_for_update().get(pk=repo.pk)
        RepoHalt.objects.filter(repo=locked, key=key).delete()
        # Another rollback may keep it off.
        if RepoHalt.objects.filter(repo=locked).exists():
            return False
        if not locked.enabled:
            RepoSetting.objects.create(repo=locked, key="enabled", value=True, actor=actor)
            Repo.objects.filter(pk=locked.pk).update(enabled=True)
    return True


def drop_halts(key: str) -> None:
    """End the halts under ``key`` of repos that were off before: they stay off, and may be switched on."""
    RepoHalt.objects.filter(key=key).delete()


def refuse_halted(repo: Repo) -> None:
    """Raise ``RepoHalted`` where the repo has a halt."""
    halted = describe_halt(repo)
    if halted:
        raise RepoHalted(halted)


def describe_halt(repo: Repo) -> str:
    """What keeps the repo switched off, in a sentence; empty where nothing does."""
    # One is enough to say why; the others follow when it has ended.
    halt = RepoHalt.objects.filter(repo=repo).first()
    return "" if halt is None else f"{repo} is kept switched off by {halt.key}: {halt.reason}"


def pause_onboarding(key: str, *, reason: str, actor: str) -> None:
    """Take no more repos outside the pilot, until ``resume_onboarding`` with the same key."""
    OnboardingPause.objects.get_or_create(key=key, defaults={"reason": reason, "actor": actor})


def resume_onboarding(key: str) -> None:
    """End the pause under ``key``; another one may remain."""
    OnboardingPause.objects.filter(key=key).delete()

"""What a rollback would do: affected repos, running flows, messages and commands. Reading changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db.models import Count, QuerySet

from orchestrator.flows.models import Flow
from orchestrator.flows.models.states import FLOW_OPEN
from orchestrator.ops.notifications.message_templates import read_template, render_template
from orchestrator.ops.rollback.models import RollbackKind, RunningFlows
from orchestrator.repos.models import Repo

# Workers and the dispatcher run the same image: two versions of the engine must not stay side by side.
_UNDO_OTHERS: Final = (
    "kubectl rollout undo deployment/dispatcher deployment/exporter deployment/onboarding-portal "
    "deployment/worker-anthropic deployment/worker-openai deployment/worker-google deployment/worker-gates "
    "deployment/worker-control deployment/worker-onboarding -n production"
)
_SHOW_IMAGE: Final = (
    "kubectl get deployment flowengine -n production -o jsonpath='{.spec.template.spec.containers[0].image}'"
)
# The launch runbook's commands, as it prints them: the service cannot reach the cluster that runs it.
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    RollbackKind.PILOT: (),
    RollbackKind.MANUAL: ("kubectl scale deployment/flowengine --replicas=0 -n production",),
    RollbackKind.VERSION: (
        "kubectl rollout undo deployment/flowengine -n production",
        _UNDO_OTHERS,
        "kubectl rollout status deployment/flowengine -n production",
        _SHOW_IMAGE,
        "blocks test-flow --input test_case.md",
    ),
}


@dataclass(frozen=True, slots=True)
class AffectedRepo:
    """A repo that a rollback switches off. ``flows`` are those that have not ended."""

    repo_name: str
    onboarded_at: datetime
    owner: str
    flows: int


@dataclass(frozen=True, slots=True)
class DraftedMessage:
    """What is to be said, and to whom."""

    template: str
    notifier: str
    target: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What a rollback does, in the order in which it does it."""

    kind: str
    flows: str
    pilot_repos: tuple[str, ...]
    repos: tuple[AffectedRepo, ...]
    steps: tuple[str, ...]
    commands: tuple[str, ...]
    announcements: tuple[DraftedMessage, ...]


def list_affected(kind: str) -> QuerySet[Repo]:
    """The repos that are on and would be switched off, the newest first, as the runbook's SQL orders them."""
    rows = Repo.objects.filter(enabled=True).order_by("-onboarded_at")
    if kind == RollbackKind.PILOT:
        # The runbook asks for repos that were onboarded after the pilot; the pilot is what PILOT_REPOS names.
        return rows.exclude(name__in=settings.PILOT_REPOS)
    return rows if kind == RollbackKind.MANUAL else rows.none()


def plan_rollback(kind: str, flows: str, *, reason: str = "[reason]", eta: str = "[X hours]") -> RollbackPlan:
    """The plan of a rollback that would be begun now."""
    repos = list(list_affected(kind))
    # Counted in one query: a plan must come in time however many repos there are. It begins at the flows that
    # have not ended, of which an index knows; from the repos it would read every flow.
    unfinished = dict(
        Flow.objects.filter(status__in=FLOW_OPEN).order_by().values_list("repo").annotate(flows=Count("pk"))
    )
    affected = tuple(
        AffectedRepo(repo.name, repo.onboarded_at, repo.team_lead, unfinished.get(repo.pk, 0))
        for repo in repos
    )
    return RollbackPlan(
        str(kind),
        str(flows),
        tuple(settings.PILOT_REPOS),
        affected,
        tuple(_list_steps(kind, flows, affected)),
        COMMANDS[kind],
        (*draft_beginning(kind, repos, reason=reason, eta=eta), *draft_end(kind)),
    )


def list_pilot() -> tuple[str, ...]:
    """The repos that stay on in a rollback to pilot scope."""
    return tuple(settings.PILOT_REPOS)


def count_unfinished(repos: Iterable[Repo]) -> int:
    """How many flows of ``repos`` have not ended."""
    return Flow.objects.filter(repo__in=list(repos), status__in=FLOW_OPEN).count()


def draft_beginning(kind: str, repos: Iterable[Repo], *, reason: str, eta: str) -> list[DraftedMessage]:
    """What is said when a rollback begins: to everybody, and to the owners of the repos."""
    # Nothing to say yet: the people who type the commands know when the version runs.
    if kind == RollbackKind.VERSION:
        return []
    if kind == RollbackKind.MANUAL:
        drafts = [draft("orchestrator_unavailable", eta=eta)]
    else:
        drafts = [draft("rollback_started")]
    # Without an address there is nobody to write to; the plan shows the empty owner.
    # An owner of several repos gets one mail.
    owners = sorted({repo.team_lead for repo in repos if repo.team_lead})
    return [*drafts, *(draft("repo_disabled", target=owner, reason=reason) for owner in owners)]


def draft_end(kind: str) -> list[DraftedMessage]:
    """What is said when a rollback is in force."""
    if kind == RollbackKind.PILOT:
        return [draft("rollback_complete", pilot_repo=", ".join(settings.PILOT_REPOS))]
    if kind == RollbackKind.VERSION:
        return [draft("version_rolled_back", version="the previous version")]
    return []


def draft(template: str, *, target: str = "", **values: str) -> DraftedMessage:
    """A message of the launch runbook for the channel that it names, or for ``target``."""
    found = read_template(template)
    message = render_template(template, values)
    channel = f"#{found.target}" if found.notifier == "slack" else found.target
    return DraftedMessage(template, found.notifier, target or channel, message.subject, message.body)


def _list_steps(kind: str, flows: str, repos: tuple[AffectedRepo, ...]) -> list[str]:
    if kind == RollbackKind.VERSION:
        return [
            "The commands are typed by people: the service cannot reach the cluster that runs it.",
            "What is to be said is drafted, and sent after a look.",
        ]
    running = sum(repo.flows for repo in repos)
    end = "cancelled" if flows == RunningFlows.CANCEL else "left to end by themselves"
    return [
        "Onboarding is paused.",
        f"{len(repos)} repos are switched off; their new flows are refused.",
        f"{running} flows that have not ended are {end}.",
        "What is to be said is drafted, and sent after a look.",
        "Repos come back one at a time, after GO by PM, TL and SRE.",
    ]

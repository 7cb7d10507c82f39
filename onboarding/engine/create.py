"""How a request begins."""

from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from onboarding.engine import dispatch, rows, validation
from onboarding.engine.errors import AlreadyEnabled, AlreadyRequested, KeyUsedAgain
from onboarding.models import CiCredentials, CiSystem, CodeHostKind, OnboardingRequest, OnboardingStatus
from onboarding.models.states import REQUEST_OPEN
from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic
from orchestrator.repos.models import Phase, Repo


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What somebody asks for. ``repo_name`` may be empty: then it is the last part of the path.

    ``wanted_on`` is the day before which it does not begin; ``phase`` is empty where the day decides.
    ``token_maker`` is the account that has made the token of REST which asks.
    """

    block_family: str
    team_lead: str
    repo_name: str = ""
    code_host: str = CodeHostKind.GITHUB
    code_host_path: str = ""
    clone_url: str = ""
    ci_system: str = CiSystem.GITHUB_ACTIONS
    ci_credentials: str = CiCredentials.SECRET
    clones_privately: bool = False
    requested_by: User | None = None
    token_maker: User | None = None
    requested_from: str = ""
    phase: str = ""
    wanted_on: date | None = None
    idempotency_key: str = ""
    body_digest: str = ""


def create_request(new: NewRequest) -> OnboardingRequest:
    """Write the request and its steps, and let its first check run after the commit.

    Raises ``ValidationError``, ``AlreadyEnabled``, and ``AlreadyRequested`` where one is unfinished.
    """
    request = check_request(new)
    name = request.repo_name
    try:
        # A savepoint: where the caller has a transaction open, its later queries still work.
        with transaction.atomic():
            request.save(force_insert=True)
            # For the reference, which a trigger has made.
            request.refresh_from_db()
            rows.add_steps(request)
            rows.record_event(request, "submitted", request.requested_from)
            announce(
                Topic.ONBOARDING_REQUESTED,
                {"repo": name, "domain": new.block_family, "title": f"{name} is asked for."},
            )
            dispatch.send_due(request.pk)
    except IntegrityError as error:
        # Of two at the same moment the unique index lets one in; both may be one request, sent twice.
        same = find_created(new.requested_from, new.idempotency_key, new.body_digest)
        if same is not None:
            return same
        refuse_known(name)
        raise AlreadyRequested(f"{name} has been asked for already.") from error
    return request


def check_request(new: NewRequest) -> OnboardingRequest:
    """The row that ``new`` would be, not written yet.

    Raises ``ValidationError``, ``AlreadyEnabled`` and ``AlreadyRequested``.
    """
    name = (new.repo_name or new.code_host_path.rpartition("/")[2]).strip().lower()
    request = OnboardingRequest(
        repo_name=name,
        code_host=new.code_host,
        code_host_path=new.code_host_path,
        clone_url=new.clone_url,
        block_family=new.block_family,
        team_lead=new.team_lead,
        ci_system=new.ci_system,
        ci_credentials=new.ci_credentials,
        clones_privately=new.clones_privately,
        requested_by=new.requested_by,
        requested_from=new.requested_from,
        phase=new.phase or choose_phase(name),
        wanted_on=new.wanted_on,
        idempotency_key=new.idempotency_key,
        body_digest=new.body_digest,
    )
    askers = [account for account in (new.requested_by, new.token_maker) if account is not None]
    validation.refuse_wrong_values(request, askers)
    refuse_known(name)
    return request


def find_created(requested_from: str, key: str, digest: str) -> OnboardingRequest | None:
    """The request that ``key`` has made before; ``KeyUsedAgain`` where its body was another one."""
    if not key:
        return None
    found = OnboardingRequest.objects.filter(requested_from=requested_from, idempotency_key=key).first()
    if found is not None and found.body_digest != digest:
        raise KeyUsedAgain(f"The key {key!r} came before with another body and made {found.reference}.")
    return found


def refuse_known(name: str) -> None:
    """Raise ``AlreadyRequested`` or ``AlreadyEnabled`` where the repo is under way, or here."""
    earlier = OnboardingRequest.objects.filter(repo_name=name).order_by("-id")
    unfinished = earlier.filter(status__in=REQUEST_OPEN).first()
    if unfinished is not None:
        raise AlreadyRequested(
            f"{name} has been asked for already: {unfinished.reference} is {unfinished.get_status_display()}."
        )
    newest = earlier.first()
    # What was offboarded may come again; its row stays, with its flows and its evidence.
    is_gone = newest is not None and newest.status == OnboardingStatus.OFFBOARDED
    if not is_gone and Repo.objects.filter(name=name).exists():
        raise AlreadyEnabled(f"{name} is enabled already.")


def choose_phase(name: str) -> str:
    """The phase of a repo that is asked for today: the operators' list of pilots, or the days of the soak."""
    if name in settings.PILOT_REPOS:
        return Phase.PILOT.value
    soak = settings.SOAK_DAYS
    if soak is not None and soak[0] <= timezone.now().date() <= soak[1]:
        return Phase.SOAK.value
    return Phase.ORG.value

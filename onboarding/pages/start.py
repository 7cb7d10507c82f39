"""What a team types first, when its repo is ready."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.urls import reverse

from onboarding.models import OnboardingRequest
from orchestrator.core.cli_wheel import pack_wheel

# What makes a request testable: an input, an output, and what is refused.
_SAMPLES: Final = {
    "compliance": (
        "Retention check",
        "Say for each record whether it may be deleted: after the days of its class, unless it is on hold.",
        "A record of a class without a retention is refused with its id.",
    ),
    "observability": (
        "Error budget",
        "From counts of good and bad events and a target in percent, say how much error budget is left.",
        "Negative counts, and targets outside of 0 to 100, are refused.",
    ),
    "reporting": (
        "Month totals",
        "Add up amounts by month and cost centre, with decimal numbers, and sort by month.",
        "An amount that is not a number is refused with its line.",
    ),
    "security": (
        "Password age",
        "List the accounts whose password is older than 90 days on a given day.",
        "A day in the future is refused with the account.",
    ),
}
_OTHER: Final = (
    "Parse durations",
    "Read durations such as `1h 30m` or `45s` as seconds.",
    "An unknown unit, or a negative number, is refused with the text.",
)


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Three commands, and a feature request to begin with."""

    install: str
    login: str
    run: str
    sample: str


def describe_start(request: OnboardingRequest, base: str) -> FirstSteps:
    """The first steps of ``request``'s repo; ``base`` is the address of this service, with its slash."""
    family = request.block_family
    title, want, refusal = _SAMPLES.get(family, _OTHER)
    sample = (
        f"# {title}\n\nBlock family: {family}\n\n## What it does\n\n{want}\n\n"
        f"## What it refuses\n\n{refusal}\n"
    )
    # What the operators call the service, or else what this person has typed.
    address = settings.PUBLIC_URL or base.rstrip("/")
    return FirstSteps(
        install=f"pipx install {address}{reverse('cli-wheel', args=[pack_wheel().name])}",
        login=f"blocks login --url {address}",
        run="blocks flow run --input feature_request.md",
        sample=sample,
    )

"""The rows of onboarding, one file a subject."""

from onboarding.models.repo_page import RepoPage
from onboarding.models.request import (
    CiCredentials,
    CiSystem,
    CodeHostKind,
    OnboardingEvent,
    OnboardingRequest,
)
from onboarding.models.rollout import RolloutVote
from onboarding.models.states import OnboardingStatus, StepKind, StepStatus
from onboarding.models.step import OnboardingStep
from onboarding.models.terraform_state import TerraformState

__all__ = [
    "CiCredentials",
    "CiSystem",
    "CodeHostKind",
    "OnboardingEvent",
    "OnboardingRequest",
    "OnboardingStatus",
    "OnboardingStep",
    "RepoPage",
    "RolloutVote",
    "StepKind",
    "StepStatus",
    "TerraformState",
]

"""The rows of onboarding, one file a subject."""

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
    "RolloutVote",
    "StepKind",
    "StepStatus",
    "TerraformState",
]

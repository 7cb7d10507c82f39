"""The steps of onboarding, in the order in which they run. A step is a module and a line here."""

from onboarding.step_protocol import OnboardingCheck, ProvisioningStep
from orchestrator.core.registry import Registry

# The lead is asked last: nobody is bothered about a repo that could not be onboarded anyway.
CHECKS: Registry[OnboardingCheck] = Registry(
    "onboarding check",
    {
        "repo_exists": "onboarding.checks.repo_exists:CHECK",
        "ci_configured": "onboarding.checks.ci_configured:CHECK",
        "lead_approved": "onboarding.checks.lead_approved:CHECK",
    },
)
# They are undone in the reverse order.
PROVISIONING: Registry[ProvisioningStep] = Registry(
    "provisioning step",
    {
        "registration": "onboarding.provisioning.registration:STEP",
        # First of what is made outside: where Terraform is missing, nothing is half-done.
        "infrastructure": "onboarding.provisioning.infrastructure:STEP",
        "read_access": "onboarding.provisioning.read_access:STEP",
        "ci_credentials": "onboarding.provisioning.ci_credentials:STEP",
        "blocks_files": "onboarding.provisioning.blocks_files:STEP",
        "hand_over": "onboarding.provisioning.hand_over:STEP",
    },
)

"""The steps of onboarding, in the order in which they run. A step is a module and a line here."""

from onboarding.step_protocol import OnboardingCheck, ProvisioningStep
from orchestrator.core.registry import Registry

# The lead is asked last: nobody is bothered about a repo that could not be onboarded anyway.
CHECKS: Registry[OnboardingCheck] = Registry(
    "onboarding check",
    {
        "lead_approved": "onboarding.checks.lead_approved:CHECK",
    },
)
# They are undone in the reverse order.
PROVISIONING: Registry[ProvisioningStep] = Registry(
    "provisioning step",
    {
        "registration": "onboarding.provisioning.registration:STEP",
    },
)

"""The team lead has said yes, or somebody with the right to has on their behalf."""

from onboarding.step_protocol import OnboardingCheck, Passed, StepAnswer, StepContext, Waiting


class LeadApproved:
    """Waits for a yes. A no ends the request by another door, ``engine.reject``."""

    name = "lead_approved"
    title = "The team lead approves"

    def run(self, context: StepContext) -> StepAnswer:
        """Passed once somebody has approved."""
        request = context.request
        if request.approved_at is not None:
            return Passed({"approved_by": request.approved_by})
        return Waiting(f"{request.team_lead} has not answered yet.", None)


CHECK: OnboardingCheck = LeadApproved()

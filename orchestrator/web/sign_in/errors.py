"""Why somebody is not signed in by the OpenID provider."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class SignInRefused(OrchestratorError):
    """The sign-in is refused."""

    code = "signin:refused"
    cure = "Sign in again."
    fixed_by = FixedBy.REQUESTER
    http_status = 403


class SignInProviderAway(OrchestratorError):
    """The sign-in service cannot be reached, or answers what cannot be used."""

    code = "signin:provider-away"
    cure = "Try again in a minute; if it stays so, an operator looks at the log of the web process."
    fixed_by = FixedBy.PROVIDER
    retryable = True
    http_status = 502

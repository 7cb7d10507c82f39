"""What a notifier raises when a message was not accepted."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class NotificationRefused(OrchestratorError):
    """The receiver does not accept the message, and sending it again would not help."""

    code = "notify:refused"
    cure = "Correct what the receiver names, then send the message again from the admin."
    fixed_by = FixedBy.OPERATOR


class NotifierUnavailable(OrchestratorError):
    """The receiver cannot be reached, or asks to wait. The message is sent again."""

    code = "notify:unavailable"
    cure = "Nothing: the message is sent again with growing pauses."
    fixed_by = FixedBy.PROVIDER
    retryable = True


class ReceiverAway(NotificationRefused):
    """The receiver could not be reached for three days."""

    code = "notify:too-old"
    cure = "Correct the receiver, then replay the message."


class NotifierNotConfigured(OrchestratorError):
    """This deployment has no settings for the notifier."""

    code = "notify:not-configured"
    fixed_by = FixedBy.OPERATOR
    http_status = 503

"""Pages the service of one repo. The target is the repo's name and the severity, with a slash between.

The key of the service is in the state of Terraform, sealed; it is opened for the moment of sending.
"""

from onboarding.paging.watch import is_open
from onboarding.provisioning.terraform.states import read_integration_key
from orchestrator.ops.notifications.errors import NotificationRefused
from orchestrator.ops.notifications.models import Notification, PageAction
from orchestrator.ops.notifications.notifiers.pagerduty import send_event


class RepoPagerNotifier:
    """PagerDuty, by the integration of the service that the repo has."""

    def check_settings(self) -> None:
        """Nothing is set for it: each repo's own provisioning has made what it needs."""

    def find_receipt(self, notification: Notification) -> str:  # noqa: ARG002 - the protocol's signature
        """Nothing: PagerDuty itself merges events with the same ``dedup_key``."""
        return ""

    def send(self, notification: Notification) -> str:
        """Begin or end the page; the receipt is its ``dedup_key``."""
        repo, _, severity = notification.target.rpartition("/")
        is_end = notification.action == PageAction.RESOLVE
        if not is_end and not is_open(notification.thread):
            raise NotificationRefused("It was over before this was sent.", cure="Nothing: it is over.")
        # Read at the moment of sending: a key that was rotated meanwhile is the new one.
        key = read_integration_key(repo)
        if key:
            return send_event(key, notification, severity)
        if is_end:
            # The service was deleted, and its pages with it.
            return notification.thread
        raise NotificationRefused(
            f"{repo} has no service in PagerDuty any more.", cure="Nothing, where the repo was offboarded."
        )


NOTIFIER = RepoPagerNotifier()

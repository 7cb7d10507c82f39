"""Reports as messages: for those who subscribed to the kind, of their repo or of all."""

from django.conf import settings

from orchestrator.ops.notifications import message_templates
from orchestrator.ops.notifications.models import Subscription
from orchestrator.ops.notifications.subscriptions import tell_subscriber
from orchestrator.ops.reports import texts
from orchestrator.ops.reports.document import ReportDocument
from orchestrator.ops.reports.models import Report
from orchestrator.ops.reports.report_kind import REPORT_KINDS


def tell_subscribers(report: Report) -> None:
    """Write the messages about ``report``, in the caller's transaction."""
    kind = REPORT_KINDS.get(report.kind)
    wished = Subscription.objects.filter(is_active=True, topics__contains=[kind.topic])
    # The figures of all repos are for those who named none.
    wished = wished.filter(repo__name=report.repo or None)
    # From the stored content: what is sent is what can be looked up later.
    document = ReportDocument.from_json(report.content)
    message = texts.fill_message(document, settings.PUBLIC_URL)
    for subscription in wished.select_related("person"):
        subject, body = message.subject, message.body
        # Machines get the figures, people the text.
        if subscription.notifier == "webhook":
            subject = kind.topic
            body = message_templates.render_webhook(kind.topic, report.created_at, report.content)
        tell_subscriber(subscription, f"report {report.pk}", subject, body)

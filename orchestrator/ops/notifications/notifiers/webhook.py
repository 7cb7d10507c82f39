"""Webhooks, signed as Standard Webhooks says: the key of the message is its ``webhook-id``.

A receiver that sees an id twice drops the second message; that is how the standard keeps a message that was
sent again from acting twice. The address comes from people, so it is resolved and checked before each call,
the call goes to the address that was checked, and redirects are not followed.
"""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx2
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from orchestrator.ops.notifications.errors import NotificationRefused, NotifierUnavailable
from orchestrator.ops.notifications.models import Notification, Subscription
from orchestrator.ops.notifications.webhook_secret import derive_secret
from orchestrator.repos import clone_urls
from providers import abort

TIMEOUT_SECONDS: Final = 10.0
"""For the whole exchange, however it goes: the receiver is a stranger, and a worker waits for it."""
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class WebhookNotifier:
    """Posts a signed body to the address of a subscription."""

    def check_settings(self) -> None:
        """Nothing is needed."""

    def find_receipt(self, notification: Notification) -> str:  # noqa: ARG002 - the protocol's signature
        """Nothing: a receiver knows the id of a message that it has seen."""
        return ""

    def send(self, notification: Notification) -> str:
        """Post the message; the receipt is the status of the answer."""
        subscription: Subscription | None = notification.subscription
        if subscription is None:
            raise NotificationRefused(
                "The webhook's subscription is gone.", cure="Subscribe again; old messages stay unsent."
            )
        now = timezone.now()
        webhook = Webhook(derive_secret(subscription.key))
        headers = {
            "content-type": "application/json",
            "user-agent": "multi-llm-orchestrator",
            "webhook-id": str(notification.key),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": webhook.sign(str(notification.key), now, notification.body),
        }
        return self._post(notification.target, notification.body, headers)

    def _post(self, target: str, body: str, headers: dict[str, str]) -> str:
        url, host = _pin_address(target)
        try:
            # No proxy of the environment: the call goes to the address that was checked, or not at all.
            with (
                httpx2.Client(
                    transport=abort.AbortableTransport(), timeout=TIMEOUT_SECONDS, trust_env=False
                ) as client,
                abort.limit_time(TIMEOUT_SECONDS),
                # The status says all; nobody reads a body, which may have no end.
                client.stream(
                    "POST",
                    url,
                    content=body.encode(),
                    headers={**headers, "host": host},
                    # The certificate must be that of the name, although the call goes to its address.
                    extensions={"sni_hostname": urlsplit(target).hostname or ""},
                    follow_redirects=False,
                ) as answer,
            ):
                status = answer.status_code
        except httpx2.HTTPError as error:
            raise NotifierUnavailable(f"The webhook cannot be reached: {type(error).__name__}.") from error
        if httpx2.codes.is_success(status):
            return f"HTTP {status}"
        if status == _TOO_MANY or status >= _SERVER_ERROR:
            raise NotifierUnavailable(f"The webhook answers {status}.")
        raise NotificationRefused(
            f"The webhook answers {status}.",
            cure="Correct the address or the receiver, then send the message again from the admin.",
        )


def _pin_address(target: str) -> tuple[str, str]:
    """The address to call, with the host resolved and checked, and the host for the header."""
    try:
        checked = clone_urls.parse_clone_url(target)
        addresses = clone_urls.resolve_addresses(checked)
    except clone_urls.CloneUrlRefused as error:
        raise NotificationRefused(
            "The webhook's address may not be called: it is not public, not https, or has a query in it.",
            cure="Use https://host/path. A host of your own network has to be named in CLONE_PRIVATE_HOSTS.",
        ) from error
    except OSError as error:
        raise NotifierUnavailable("The webhook's host cannot be found.") from error
    parts = urlsplit(str(checked))
    address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return urlunsplit(parts._replace(netloc=f"{address}:{checked.port}")), parts.netloc


NOTIFIER = WebhookNotifier()

"""Webhooks, signed as Standard Webhooks says: the key of the message is its ``webhook-id``.

A receiver that sees an id twice drops the second message; that is how the standard keeps a message that was
sent again from acting twice. The address comes from people, so it is resolved and checked before each call,
the call goes to the address that was checked, and redirects are not followed. An answer has so many seconds
in all, and only its status is read.
"""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx2
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from orchestrator.ops.notifications.errors import NotificationRefused, NotifierUnavailable
from orchestrator.ops.notifications.models import Notification, Subscription
from orchestrator.ops.notifications.webhook_secret import list_signing_secrets
from orchestrator.repos import clone_urls
from orchestrator.repos.outside_calls import call_outside

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
        key = str(notification.key)
        signatures = [
            Webhook(secret).sign(key, now, notification.body) for secret in list_signing_secrets(subscription)
        ]
        headers = {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return self._post(notification.target, notification.body, headers)

    def _post(self, target: str, body: str, headers: dict[str, str]) -> str:
        url, host = _pin_address(target)
        try:
            answer = call_outside(
                "POST",
                url,
                seconds=TIMEOUT_SECONDS,
                # The status says all; nobody reads a body, which may have no end.
                max_bytes=0,
                content=body.encode(),
                headers={**headers, "host": host},
                # The certificate must be that of the name, although the call goes to its address.
                server_name=urlsplit(target).hostname or "",
            )
        except httpx2.HTTPError as error:
            raise NotifierUnavailable(f"The webhook cannot be reached: {type(error).__name__}.") from error
        if 200 <= answer.status < 300:
            return f"HTTP {answer.status}"
        # The status only: what a server of our network might say must not reach those who chose the address.
        if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
            raise NotifierUnavailable(f"The webhook answers {answer.status}.")
        raise NotificationRefused(
            f"The webhook answers {answer.status}.",
            cure="Correct the address or the receiver, then send the message again.",
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

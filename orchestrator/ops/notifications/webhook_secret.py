"""The secret that signs a webhook, and its rotation."""

import base64
import hashlib
import hmac
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

if TYPE_CHECKING:  # the secret of a key is also derived where no models are loaded
    from orchestrator.ops.notifications.models import Subscription

OVERLAP: Final = timedelta(days=1)


def derive_secret(key: UUID) -> str:
    """The secret that follows from ``key``, as Standard Webhooks writes it.

    It follows from SECRET_KEY, so that it need not be stored.
    """
    digest = hmac.new(settings.SECRET_KEY.encode(), f"webhook {key}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(digest).decode()}"


def read_secret(webhook: "Subscription") -> str:
    """What signs the messages of a webhook now."""
    return derive_secret(webhook.secret_key or webhook.key)


def rotate_secret(webhook: "Subscription") -> None:
    """Give the webhook a new secret; for a day each message carries the signatures of both."""
    webhook.previous_secret_key = webhook.secret_key or webhook.key
    webhook.previous_secret_until = timezone.now() + OVERLAP
    webhook.secret_key = uuid.uuid4()
    webhook.save(update_fields=["secret_key", "previous_secret_key", "previous_secret_until"])


def list_signing_secrets(webhook: "Subscription") -> list[str]:
    """The secrets that sign a message now, the newest first."""
    secrets = [read_secret(webhook)]
    until = webhook.previous_secret_until
    if webhook.previous_secret_key is not None and until is not None and until > timezone.now():
        secrets.append(derive_secret(webhook.previous_secret_key))
    return secrets

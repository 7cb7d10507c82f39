"""The secret that signs a webhook."""

import base64
import hashlib
import hmac
from uuid import UUID

from django.conf import settings


def derive_secret(key: UUID) -> str:
    """The secret of the subscription with this key, as Standard Webhooks writes it.

    It follows from SECRET_KEY, so that it need not be stored.
    """
    digest = hmac.new(settings.SECRET_KEY.encode(), f"webhook {key}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(digest).decode()}"

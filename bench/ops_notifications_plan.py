"""What the benchmark of notifications and its writer agree on."""

from uuid import UUID

SUBSCRIPTION = UUID("5a6a5a6a-0000-4000-8000-000000000001")
"""The key of the webhook's subscription."""

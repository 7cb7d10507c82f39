"""Absolute addresses: a client may be handed one and follow it without knowing where it came from."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request


def build_url(request: Request | None, path: str) -> str:
    """``path`` with the scheme and the host that the client used; the path alone outside of a request."""
    return path if request is None else request.build_absolute_uri(path)


def url_of(context: Mapping[str, Any], path: str) -> str:
    """The same for a serializer with this context."""
    return build_url(context.get("request"), path)

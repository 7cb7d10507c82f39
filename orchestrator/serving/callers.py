"""Who is who among the clients: what one of them may hold is a part of what all may."""

from collections.abc import Mapping
from typing import Any

from orchestrator.core.places import name_place


def find_place(scope: Mapping[str, Any]) -> str:
    """The place that a request comes from."""
    client = scope.get("client")
    return name_place(client[0]) if client else ""


def find_caller(scope: Mapping[str, Any]) -> str:
    """The place of a request, and the token that it names, which nobody has checked yet."""
    tokens = [value for name, value in scope["headers"] if name == b"authorization"]
    return f"{find_place(scope)} {tokens[:1]}"

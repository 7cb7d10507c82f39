"""Where the stable part of a prompt is marked for the vendors' caches, and where the schema then goes.

Anthropic and OpenAI write the schema of an answer in front of the prompt, so that it is a part of the key of
the cache: the same repository would be written again for every stage with another schema, which costs more
than no cache. So with a stable part that is worth caching, the schema is told in words behind it. Our parser
checks the answer in either case.
"""

from typing import Final

from providers.base import Request
from providers.catalog import takes_schema
from providers.wire_schema import describe_schema

# The largest of the vendors' smallest prefixes is 4,096 tokens, and a token of code has about four bytes.
CACHED_FROM_BYTES: Final = 16_384


def is_worth_caching(request: Request) -> bool:
    """Return whether the stable part is long enough for every vendor's cache."""
    # Characters, which are never more than the bytes: in doubt the schema is enforced by the vendor.
    return len(request.stable) >= CACHED_FROM_BYTES


def sends_schema(request: Request) -> bool:
    """Return whether the schema is sent as a field, so that the vendor enforces it."""
    if request.json_schema is None or is_worth_caching(request):
        return False
    return takes_schema(request.model)


def tell_system(request: Request) -> str:
    """Return the text of the system, and behind it the schema in words where it is not sent as a field."""
    told = [request.system]
    if request.json_schema is not None and not sends_schema(request):
        told.append(describe_schema(request.json_schema))
    return "\n\n".join(part for part in told if part)

"""Calls to addresses that people outside of the operators have a say in: webhooks, signing keys of CI.

A call takes so many seconds in all: a server that drips one byte a second ends
with them. So many bytes of the answer are read. Redirects are not followed, and no proxy of the environment
is asked: the call goes to the address that was checked, or not at all.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import httpx2

from providers import abort

# Connections are not kept: one is bound to the name whose certificate was checked, and the pool would give
# it to another name at the same address.
_LIMITS: Final = httpx2.Limits(max_connections=64, max_keepalive_connections=0)


@dataclass(frozen=True, slots=True)
class OutsideAnswer:
    """Status and beginning of the body; ``is_whole`` says whether that is all of it."""

    status: int
    body: bytes
    is_whole: bool


def call_outside(
    method: str,
    url: str,
    *,
    seconds: float,
    max_bytes: int,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    server_name: str = "",
) -> OutsideAnswer:
    """Make one call. ``server_name`` is whose certificate is wanted, where ``url`` has an address instead.

    With ``max_bytes`` 0 the body is not waited for. Raises ``httpx2.HTTPError`` where no answer has come
    within ``seconds``.
    """
    extensions = {"sni_hostname": server_name} if server_name else {}
    # A compressed body could be far longer than what is read of it.
    wanted = {"accept-encoding": "identity", "user-agent": "multi-llm-orchestrator", **(headers or {})}
    transport = abort.AbortableTransport(verify=_trusted_authorities(), limits=_LIMITS, trust_env=False)
    with (
        httpx2.Client(
            transport=transport, timeout=seconds, follow_redirects=False, trust_env=False
        ) as client,
        abort.limit_time(seconds),
        client.stream(method, url, content=content, headers=wanted, extensions=extensions) as answer,
    ):
        body = b""
        if max_bytes == 0:
            return OutsideAnswer(answer.status_code, body, is_whole=False)
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > max_bytes:
                return OutsideAnswer(answer.status_code, body[:max_bytes], is_whole=False)
        return OutsideAnswer(answer.status_code, body, is_whole=True)


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """Read once: it takes longer than a call."""
    return httpx2.create_ssl_context(trust_env=False)

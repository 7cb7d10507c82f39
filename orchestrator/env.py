"""Typed readers of the environment. A bad value stops start-up with its name and what is allowed.

Every reader also honours ``<NAME>_FILE``: the value is then the content of that file, as secrets are mounted
in Kubernetes. Setting both is an error, because nobody could say which one wins.
"""

import json
import os
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from orchestrator.process_secrets import read_withheld

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def read_text(name: str, default: str | None = None, *, choices: Iterable[str] = ()) -> str:
    """The value of ``name`` or of the file that ``<name>_FILE`` names; required where there is no default."""
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    # An empty variable counts as unset: Compose and Kubernetes pass those that have no value.
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; keep one of them.")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error
    value = read_withheld(name, value or "")
    if value == "":
        if default is None:
            raise ImproperlyConfigured(f"{name} is required: set {name} or {name}_FILE.")
        value = default
    allowed = tuple(choices)
    if allowed and value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not allowed; choose one of {', '.join(allowed)}.")
    return value


def read_flag(name: str, default: bool) -> bool:
    """A boolean: 1/true/yes/on or 0/false/no/off."""
    value = read_text(name, "true" if default else "false").lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name}={value!r} is not a boolean; use true or false.")
    return value in _TRUE


def read_integer(name: str, default: int, *, low: int = 0, high: int | None = None) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    value = read_text(name, str(default))
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from error
    # Out-of-range values stop start-up instead of being clamped: nobody would notice a clamp.
    if number < low or (high is not None and number > high):
        bound = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise ImproperlyConfigured(f"{name}={number} is out of range; use a number {bound}.")
    return number


def read_decimal(name: str, default: str, *, low: str = "0", high: str | None = None) -> Decimal:
    """An exact decimal number from ``low`` to ``high``, both included; money is never a float."""
    value = read_text(name, default)
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ImproperlyConfigured(f"{name}={value!r} is not a number.") from error
    # Decimal reads `NaN` and `Infinity` too, and no budget could ever be compared with NaN.
    too_large = high is not None and number > Decimal(high)
    if not number.is_finite() or number < Decimal(low) or too_large:
        bound = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise ImproperlyConfigured(f"{name}={value} is out of range; use a number {bound}.")
    return number


def read_names(name: str, default: str = "") -> tuple[str, ...]:
    """A comma-separated list; blanks are dropped."""
    return tuple(part.strip() for part in read_text(name, default).split(",") if part.strip())


def read_days(name: str) -> dict[str, str]:
    """Names with a day each: ``slack=2027-01-31,github=2026-12-24``."""
    days: dict[str, str] = {}
    for part in read_names(name):
        key, _, day = part.partition("=")
        try:
            days[key.strip()] = date.fromisoformat(day.strip()).isoformat()
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} has {part!r}; use name=2027-01-31.") from error
    return days


def read_sources(name: str, default: str, kinds: Iterable[str]) -> dict[str, str]:
    """Addresses with what each is, comma-separated: ``github=https://...,gitlab=https://...``.

    https, or http on this machine. The result is by address, because there may be several of a kind.
    """
    found: dict[str, str] = {}
    allowed = tuple(kinds)
    for part in read_names(name, default):
        kind, _, address = part.partition("=")
        parts = urlsplit(address)
        is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if kind not in allowed or not (is_local or parts.scheme == "https") or not parts.hostname:
            raise ImproperlyConfigured(
                f"{name} has {part!r}; use kind=https://host/path with one of {', '.join(allowed)} as kind."
            )
        found[address.rstrip("/")] = kind
    return found


def read_issuer(name: str) -> str:
    """The address of an OpenID provider: https, or http on this machine; empty where unset."""
    issuer = read_url(name)
    parts = urlsplit(issuer)
    is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if issuer and not (is_local or parts.scheme == "https"):
        raise ImproperlyConfigured(f"{name} is {issuer!r}; use https://host/path.")
    # It is kept beside every account that signs in with it.
    if len(issuer) > 200:
        raise ImproperlyConfigured(f"{name} has more than 200 characters.")
    return issuer


def read_choices(name: str, choices: Iterable[str]) -> dict[str, str]:
    """Names with one of ``choices`` each: ``platform-team=SRE,everybody=Viewer``."""
    chosen: dict[str, str] = {}
    allowed = tuple(choices)
    for part in read_names(name):
        # A name may hold the sign itself, as those of directories do: cn=sre.
        key, _, choice = (one.strip() for one in part.rpartition("="))
        if not key or choice not in allowed or key in chosen:
            raise ImproperlyConfigured(
                f"{name} has {part!r}; use name=choice, each name once, with one of {', '.join(allowed)}."
            )
        chosen[key] = choice
    return chosen


def read_period(name: str) -> tuple[date, date] | None:
    """The first and the last of some days: ``2026-11-16/2026-11-30``; None where unset."""
    value = read_text(name, "")
    if value == "":
        return None
    try:
        first, last = (date.fromisoformat(part) for part in value.split("/"))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}; use 2026-11-16/2026-11-30.") from error
    if first > last:
        raise ImproperlyConfigured(f"{name} is {value!r}: its first day is after its last.")
    return first, last


def read_identifiers(name: str, taken: Iterable[str] = ()) -> tuple[str, ...]:
    """A comma-separated list of short names, each of which is once in it and not in ``taken``."""
    names, reserved = read_names(name), set(taken)
    for one in names:
        if re.fullmatch(r"[a-z][a-z0-9_]{0,19}", one) is None:
            raise ImproperlyConfigured(
                f"{name} names {one!r}; use a letter, then up to 19 letters, digits, underscores."
            )
        if one in reserved or names.count(one) > 1:
            raise ImproperlyConfigured(f"{name} names {one!r}, which is taken; choose another name.")
    return names


def read_models(name: str) -> dict[str, dict[str, Any]]:
    """Models and what they cost, as JSON: ``{"org/model:tag": {"input": "0.10", "output": "0"}}``.

    ``input``, ``output`` and ``cache_read`` are USD for a million tokens, as text so that they stay exact;
    ``max_output_tokens`` is what the model may write in one answer.
    """
    try:
        found = json.loads(read_text(name, "{}"), parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON: {error}.") from error
    example = '{"org/model:tag": {"input": "0.10", "output": "0.40", "max_output_tokens": 8192}}'
    if not isinstance(found, dict) or not all(isinstance(terms, dict) for terms in found.values()):
        raise ImproperlyConfigured(f"{name} is not an object of models such as {example}.")
    return {model: _read_terms(f"{name}, {model!r}", terms) for model, terms in found.items()}


def _read_terms(where: str, terms: dict[str, Any]) -> dict[str, Any]:
    unknown = set(terms) - {"input", "output", "cache_read", "max_output_tokens"}
    if unknown or len(where) > 200 or ("input" in terms) != ("output" in terms):
        raise ImproperlyConfigured(
            f"{where} may have input and output (both or none), cache_read and max_output_tokens."
        )
    read: dict[str, Any] = {}
    for key, value in terms.items():
        try:
            number = Decimal(str(value))
        except InvalidOperation as error:
            raise ImproperlyConfigured(f"{where}: {key} is {value!r}, not a number.") from error
        if not number.is_finite() or not 0 <= number <= 1_000_000:
            raise ImproperlyConfigured(f"{where}: {key} is {value}; use a number from 0 to 1,000,000.")
        read[key] = number
    if "max_output_tokens" in read:
        read["max_output_tokens"] = max(1, int(read["max_output_tokens"]))
    return read


def read_url(name: str, default: str = "", *, schemes: Iterable[str] = ("http", "https")) -> str:
    """An absolute URL of one of ``schemes``, without a trailing slash; empty where unset and the default is
    empty.
    """
    value = read_text(name, default)
    if value == "":
        return ""
    parts, allowed = urlsplit(value), tuple(schemes)
    if parts.scheme not in allowed or not (parts.netloc or parts.path):
        # Without the value, because an address may hold a password.
        raise ImproperlyConfigured(
            f"{name} is not a URL of the form {' or '.join(s + '://...' for s in allowed)}."
        )
    return value.rstrip("/")

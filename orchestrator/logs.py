"""Logs as events with fields, one line each on standard error: JSON for collectors, ``key=value`` for people.

Lines of structlog and of plain ``logging`` go the same way. What looks like a credential is struck out last,
so that a vendor's error message or a traceback cannot carry one out.
"""

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

from orchestrator.core.redaction import MARK, redact_text

# Connection errors of drivers quote the whole address. In a file `me:secret@` is an example, here it is not.
# No part gives back what it took, so that a long path costs no more than its length.
_PASSWORD_IN_URL: Final = re.compile(r"((?<!\w)\w++://[^\s:/@]*+):[^\s@/]++@")
# A line of the log is for people: of a longer text nobody reads the rest, and redaction takes time for it.
_LONGEST_VALUE: Final = 64 * 1024
_LONGEST_HOST_LINE: Final = 200
# What Django and uvicorn add to their records: objects, or facts that the line has already.
_DJANGO_FIELDS = ("request", "status_code", "server_time", "color_message")


def strike_secrets(text: str) -> str:
    """``text`` with each secret as ``[REDACTED]``, by the one list of what is secret."""
    clean, _ = redact_text(text[:_LONGEST_VALUE])
    return _PASSWORD_IN_URL.sub(rf"\1:{MARK}@", clean)


def _strike_secrets_of_event(
    logger: Any,  # noqa: ARG001 - structlog's signature
    name: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        # structlog's own keys, which are not rendered, begin so.
        if not key.startswith("_"):
            event[key] = _strike_nested(value)
    return event


def _strike_nested(value: Any) -> Any:
    """``value`` with its secrets struck out, also those in lists and objects that are logged as they are."""
    match value:
        case str():
            return strike_secrets(value)
        case Mapping():
            return {key: _strike_nested(item) for key, item in value.items()}
        case list() | tuple() | set():
            return [_strike_nested(item) for item in value]
        case None | bool() | int() | float():
            return value
    # It would be shown by its text: that of an error, a path, a request.
    return strike_secrets(str(value))


def _drop_django_fields(
    logger: Any,  # noqa: ARG001 - structlog's signature
    name: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    for key in _DJANGO_FIELDS:
        event.pop(key, None)
    return event


def drop_traceback(record: logging.LogRecord) -> bool:
    """Keep a record, as one short line: a stranger decides how often it comes and how long it is."""
    record.exc_info, record.exc_text, record.args = None, None, ()
    record.msg = str(record.msg)[:_LONGEST_HOST_LINE]
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    _drop_django_fields,
    _strike_secrets_of_event,
]


def build_logging(form: str, level: str) -> dict[str, Any]:
    """Django's ``LOGGING``.

    ``form``: ``json`` or ``text``; ``level``: of everything that has none of its own.
    """
    drawn: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.processors.KeyValueRenderer(
            key_order=["timestamp", "level", "event"], drop_missing=True
        )
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "events": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, drawn],
            }
        },
        "filters": {"one_line": {"()": lambda: drop_traceback}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "events"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers would print each line twice, or mail it to an empty list of addresses.
            "django": {"handlers": [], "propagate": True, "level": level},
            "django.server": {"handlers": [], "propagate": False},
            # No fault of this service: a stranger asks for another host.
            "django.security.DisallowedHost": {"filters": ["one_line"]},
            # A 404 is a line of the access log already; a 500 comes with its traceback.
            "django.request": {"handlers": [], "propagate": True, "level": "ERROR"},
            # uvicorn sets handlers of its own before it loads the application.
            "uvicorn": {"handlers": [], "propagate": True, "level": level},
            "uvicorn.error": {"handlers": [], "propagate": True, "level": level},
            # Each message that came and was done: the engine's events say it of each stage, in its own words.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # The vendors' SDKs would log every call, which the ledger records already.
            "httpx2": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            # A collector that is away would be told of at each retry; what is given up is an error.
            "opentelemetry": {"level": "ERROR"},
        },
    }

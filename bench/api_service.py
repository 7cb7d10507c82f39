"""The web process of ``bench.api``: the Procfile's, with a bare view, and statements told in each answer."""

import os
import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
import uvicorn
from django.conf import settings

STATEMENTS: Final = "X-Statements"


def serve() -> None:
    """Serve until the process is stopped."""
    settings.ROOT_URLCONF = "bench.api_urls"
    settings.MIDDLEWARE = ["bench.api_service.tell_statements", *settings.MIDDLEWARE]
    uvicorn.run(
        "orchestrator.asgi:application",
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        http="orchestrator.serving.protocol:BoundedProtocol",
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
    )


_sent = threading.local()


def tell_statements(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Middleware: how many statements the request has sent, by Django and by the door to raw SQL."""
    _count_statements()

    def answer(request: Any) -> Any:
        _sent.count = 0
        response = get_response(request)
        response.headers[STATEMENTS] = str(_sent.count)
        return response

    return answer


def _count_statements() -> None:
    execute = psycopg.Cursor.execute

    def count_and_execute(cursor: Any, *arguments: Any, **options: Any) -> Any:
        _sent.count = getattr(_sent, "count", 0) + 1
        return execute(cursor, *arguments, **options)

    psycopg.Cursor.execute = count_and_execute  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    serve()

"""Runs operations of rollbacks in children that die by SIGKILL at a given point.

Started by ``START``, it reads a line of JSON for each: the operation, its arguments and the point at which
the child dies, which is the nth statement, or moment before or after a commit. It answers with the child's
exit code, ``REFUSED`` where the operation was refused. The product is imported once, and no child inherits a
connection.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.notifications import delivery
from orchestrator.ops.rollback import announcement, enforcement, restoration

START: Final = """
import django
django.setup()
from tests.ops.rollback.crash_server import serve
serve()
"""
REFUSED: Final = 3
OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "apply": enforcement.apply_rollback,
    "finish": enforcement.finish_rollback,
    "send": announcement.send_announcement,
    "deliver": delivery.deliver,
    "vote": restoration.cast_vote,
    "restore": restoration.restore_repo,
}


class Death:
    """Ends this process when it has passed so many points."""

    def __init__(self, point: int) -> None:
        self.left = point

    def pass_point(self) -> None:
        """Come by a point."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """A statement with a point before it: after one without a commit, nothing is different."""

        def wrapped(*args: Any, **options: Any) -> Any:
            self.pass_point()
            return execute(*args, **options)

        return wrapped

    def around(self, commit: Callable[..., Any]) -> Callable[..., Any]:
        """The commit with a point on either side."""

        def wrapped(*args: Any) -> Any:
            self.pass_point()
            done = commit(*args)
            self.pass_point()
            return done

        return wrapped


def run_child(request: Mapping[str, Any]) -> int:
    """The exit code of an operation that was not killed."""
    death = Death(request["point"])
    # Under Django's cursors and under core.database alike.
    psycopg.Cursor.execute = death.before(psycopg.Cursor.execute)  # type: ignore[method-assign]
    BaseDatabaseWrapper._commit = death.around(BaseDatabaseWrapper._commit)  # type: ignore[method-assign]
    try:
        OPERATIONS[request["operation"]](*request["args"], **request["options"])
    except OrchestratorError as error:
        sys.stderr.write(f"{error.message}\n")
        return REFUSED
    return 0


def serve() -> None:
    """Answer each line."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run_and_exit(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run_and_exit(request: Mapping[str, Any]) -> NoReturn:
    code = 1
    try:
        code = run_child(request)
    except Exception:  # noqa: BLE001 - a child must not return into the loop of its parent
        traceback.print_exc()
    os._exit(code)

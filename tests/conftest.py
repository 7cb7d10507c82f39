"""What the whole suite needs: before Django is set up a key, and a folder that is never the one of `make up`;
then workers.
"""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("SECRET_KEY", "for-tests-only")
if (
    "PYTEST_STATE_DIR" not in os.environ
):  # the workers of a parallel run share the folder of the process that started them
    os.environ["PYTEST_STATE_DIR"] = tempfile.mkdtemp(prefix="blocks-tests-")
    atexit.register(shutil.rmtree, os.environ["PYTEST_STATE_DIR"], ignore_errors=True)
os.environ["STATE_DIR"] = os.environ["PYTEST_STATE_DIR"]
# Tests fork while spans are sent, and gRPC would try to stop its threads at each fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# Files whose tests share what is expensive to make, and what it is: they run on one worker.
ONE_STACK = {
    "tests/core/test_replicas.py": "replicas",
    "tests/flows/engine/test_sentinel.py": "sentinels",
    "tests/flows/evidence/test_bucket_store.py": "stores of evidence",
    "tests/flows/evidence/test_bundle_storage.py": "stores of evidence",
    "tests/style/test_measures.py": "measures",
    "tests/docs/test_generated_pages.py": "pages",
    "tests/acceptance/test_bad_input.py": "product",
    "tests/acceptance/test_flow_replay.py": "product",
    "tests/acceptance/test_samples.py": "product",
    "tests/acceptance/test_trace.py": "product",
    "tests/acceptance/test_transcripts.py": "product",
    "tests/acceptance/test_up.py": "up",
    "tests/deploy/test_built_image.py": "image",
}


# Tests and what they import stay to the end. To look through all of it for garbage, again and again, takes
# a third of the time of some tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and only in what tests make."""
    # What is garbage by now would stay to the end too.
    gc.collect()
    gc.freeze()
    gc.enable()


# On a busy machine the drawing of inputs is slow now and then, and no fault of what is tested.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")


def pytest_configure() -> None:
    """Hash passwords quickly: those of tests protect nothing, and production's way takes half a second."""
    # Django is not set up yet when this file is read.
    from django.conf import settings  # noqa: PLC0415

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    find_static_files_once()


def find_static_files_once() -> None:
    """Keep what WhiteNoise finds in the folders of the apps.

    Production does that once in a process. Each client of a test makes the middleware again, and a third of
    the time of many tests went into looking for the same files.
    """
    from whitenoise.middleware import WhiteNoiseMiddleware  # noqa: PLC0415

    by_looking = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def add_known_files(middleware: Any) -> None:
        if found:
            middleware.files.update(found)
            return
        by_looking(middleware)
        found.update(middleware.files)

    WhiteNoiseMiddleware.add_files_from_finders = add_known_files


# What takes longest begins first, so that no worker is left alone with it at the end. The tutorial lists the
# flows of a service that has run no others.
FIRST = (
    "tests/acceptance/test_transcripts.py",
    "tests/bench/",
    "tests/chaos/",
    "tests/ops/alerting/test_chain.py",
    "tests/flows/engine/test_processes.py",
    "tests/ops/rollback/test_processes.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the order has been drawn."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


class StacksOnOneWorker(LoadScopeScheduling):
    """Every test goes to a free worker, except those that share a stack.

    xdist's own mark for that, ``xdist_group``, is silently ignored from pytest 9.2 on.
    """

    def _split_scope(self, nodeid: str) -> str:
        return ONE_STACK.get(nodeid.partition("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """In place of xdist's choice for ``--dist loadscope``."""
    return StacksOnOneWorker(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database of the tests, which is quickly emptied after those that commit."""
    # Django is not set up yet when this file is read.
    from django.test import TransactionTestCase  # noqa: PLC0415

    from tests.databases import CommittedRows  # noqa: PLC0415

    with django_db_blocker.unblock():
        committed = CommittedRows()
    by_django = TransactionTestCase._fixture_teardown

    def remove_rows(case: TransactionTestCase) -> None:
        committed.remove(lambda: by_django(case))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", remove_rows)
        yield


@pytest.fixture
def service(transactional_db: None) -> Iterator[Any]:
    """The whole application behind the server of production; ``url`` is its address.

    pytest-django's ``live_server`` is not asynchronous, and streams of events need that.
    """
    # Django is not set up yet when this file is read.
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    from orchestrator.serving.threads import ThreadedApplication  # noqa: PLC0415
    from tests.serving.server import serve  # noqa: PLC0415

    application = ThreadedApplication(get_wsgi_application())
    with serve(application) as served:
        yield served
    application.close()
    connections.close_all()

"""Chromium of the machine, a page that tolerates no error, and an SRE who has logged in."""

import shutil
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Overrides the plugin's: the browser that is installed, without any traffic of its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; install chromium to run the browser tests")
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-sync",
        "--no-first-run",
    ]
    return {"executable_path": CHROMIUM, "args": quiet}


@pytest.fixture(scope="session")
def base_url() -> str:
    """In place of a plugin's fixture of this name, which pytest deprecates the shape of; addresses are
    written out.
    """
    return ""


@pytest.fixture(scope="session", autouse=True)
def _loop_of_playwright() -> Iterator[None]:
    """Playwright's own loop runs in this thread; the database is used from it all the same, one at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def faults(page, service) -> Iterator[list[str]]:
    """Errors on the console, breaches of the policy among them, and requests to elsewhere; there must be
    none.
    """
    found: list[str] = []
    page.on(
        "console",
        lambda message: found.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(service.url) else found.append(f"asked {request.url}"),
    )
    yield found
    assert found == []


@pytest.fixture
def sre(service, context, transactional_db) -> None:
    """The browser has a session of an SRE."""
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": service.url}
    context.add_cookies([cookie])

"""The image, built for real by buildah, and its processes, started from it: ``make test-slow``.

buildah's isolation by chroot keeps the network and the kernel's view of processes, so this says nothing about
a container runtime. It needs no daemon and no privilege to set limits, which a runtime would.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from orchestrator.dev import stack
from tests.deploy.test_image import ask, database_address, finish  # noqa: F401 - a fixture among them
from tests.deploy.test_restricted_pod import PROBE

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "deploy/docker"
LOCAL_BASE = "localhost/flowengine-base:bookworm"
IMAGE = "flowengine:of-the-tests"
# What may be written in a pod, or belongs to the kernel.
SCRATCH = ("/tmp", "/var/tmp", "/var/lib/orchestrator", "/proc", "/dev", "/sys", "/run")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed"),
]


def has_base() -> bool:
    command = ["buildah", "inspect", "--type", "image", os.environ.get("IMAGE_BASE", LOCAL_BASE)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def container():
    """A container of the image that this checkout makes."""
    if not has_base():
        if shutil.which("mmdebstrap") is None:
            pytest.skip("there is no base: set IMAGE_BASE, or install mmdebstrap")
        subprocess.run([str(DOCKER / "base.sh")], check=True, timeout=1200)
    certificates = Path("/etc/ssl/certs")
    given = {"CERTIFICATES": str(certificates)} if certificates.is_dir() else {}
    build = [str(DOCKER / "build.sh")]
    subprocess.run(build, env=os.environ | given | {"IMAGE": IMAGE}, check=True, timeout=1200)
    made = subprocess.run(["buildah", "from", IMAGE], capture_output=True, text=True, check=True)
    name = made.stdout.strip()
    yield name
    subprocess.run(["buildah", "rm", name], check=True, capture_output=True)


def start(container, *command, **variables):
    """Start ``command`` in the image, as its user."""
    options = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    return subprocess.Popen(
        ["buildah", "run", "--isolation", "chroot", *options, container, "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def stop(process) -> str:
    """End it with what it has started; what it printed."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.communicate(timeout=40)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def run(container, *command, **variables):
    """The output of a command in the image that has to succeed."""
    code, said = finish(start(container, *command, **variables))
    assert code == 0, said
    return said


def test_it_runs_as_an_ordinary_user_who_can_write_scratch_only(container):
    assert run(container, "id", "-u").strip() == "10001"
    # What it may not even read does not count.
    search = "find / -xdev -writable -not -type l 2>/dev/null; true"
    found = run(container, "sh", "-c", search).splitlines()
    assert "/tmp" in found
    assert [one for one in found if not one.startswith(SCRATCH)] == []


def test_it_has_what_the_gates_need_and_nothing_to_build_with(container):
    there = "for one in bwrap git python; do command -v $one || exit 1; done"
    assert len(run(container, "sh", "-c", there).splitlines()) == 3
    absent = "for one in gcc cc make ld curl wget; do command -v $one; done; true"
    assert run(container, "sh", "-c", absent).split() == []
    assert "pytest" in run(container, "ls", "/opt/orchestrator/sandbox/bin")


def test_it_says_how_it_is_checked(container):
    described = subprocess.run(
        ["buildah", "inspect", "--type", "image", IMAGE], capture_output=True, text=True, check=True
    ).stdout
    assert "/health" in described
    assert '"User": "10001:10001"' in described


def test_migrations_web_and_gates_run_from_it(container, transactional_db, database_address):  # noqa: F811
    servers = {
        "DATABASE_URL": database_address,
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": "of-the-smoke-test",
        "STATE_DIR": "/tmp/state",
    }
    run(container, "python", "manage.py", "migrate", "--check", **servers)
    probed = run(container, "python", "-c", PROBE, DJANGO_SETTINGS_MODULE="orchestrator.settings", **servers)
    assert probed.splitlines()[-1] in {"linux-landlock", "bubblewrap", "linux-namespaces"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    lines = stack.read_procfile()
    line = lines["web"].replace("${HOST}", "127.0.0.1").replace("${PORT}", port)
    web = start(container, *shlex.split(line), PROCESS="web", **servers)
    try:
        for path in ("/health", "/ready"):
            assert ask(f"http://127.0.0.1:{port}{path}", web) == 200
    finally:
        stop(web)
    given = {name: value for name, value in servers.items() if name != "SECRET_KEY"}
    gates = start(container, *shlex.split(lines["gates"]), PROCESS="gates", SECRET_KEY="withheld", **given)
    assert gates.stdout is not None
    try:
        said = ""
        for text in gates.stdout:
            said += text
            if " ready." in text:
                break
        assert " ready." in said, said
    finally:
        stop(gates)

"""The image: what its Dockerfile says, and the tree that its steps make, started as a pod starts it."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings

from orchestrator.dev import stack
from tests.deploy import manifests
from tests.deploy.test_restricted_pod import PROBE

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
INSTALL = ROOT / "deploy/docker/install.sh"


def test_the_image_runs_the_web_line_of_the_procfile_as_the_user_of_the_manifests():
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.M)
    line = stack.read_procfile()["web"].replace("${HOST}", "0.0.0.0").replace("${PORT}", "8000")
    assert shlex.split(command.strip("[]").replace(",", " ")) == shlex.split(line)
    pod = manifests.find(manifests.build_overlay("production"), "Deployment", "flowengine")["spec"][
        "template"
    ]
    user = pod["spec"]["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in DOCKERFILE
    (values,) = [manifests.read_values(one) for one in pod["spec"]["containers"]]
    assert f"STATE_DIR={values['STATE_DIR']}" in DOCKERFILE


def test_what_the_image_is_made_of_reaches_its_builder():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    script = INSTALL.read_text(encoding="utf-8")
    (parts,) = re.findall(r"^for part in (.*); do$", script, re.M)
    pins = set(re.findall(r"\$source/(requirements[\w-]*\.txt)", script))
    assert kept == {*parts.split(), *pins, "deploy/docker/install.sh"}
    assert all((ROOT / name).exists() for name in kept)


def test_the_base_has_no_default_and_is_named_by_digest(tmp_path):
    lines = re.findall(r"^(?:ARG|FROM) .*$", DOCKERFILE, re.M)
    assert lines == ["ARG BASE", "FROM ${BASE} AS build", "FROM ${BASE}"]
    # Says what it is asked to build, and builds nothing.
    builder = tmp_path / "buildah"
    builder.write_text('#!/bin/sh\necho "$@"\n')
    builder.chmod(0o755)
    name = "docker.io/library/python:3.11-slim-bookworm"
    digest = f"{name}@sha256:{'0123456789abcdef' * 4}"
    for base, code in ((name, 2), (f"{name}@sha256:0123", 2), (digest, 0)):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "IMAGE_BASE": base}
        done = subprocess.run(
            ["make", "image"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert (f"BASE={base}" in done.stdout) == (code == 0)
        assert ("names no digest" in done.stderr) == (code == 2)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """What install.sh makes."""
    target = tmp_path_factory.mktemp("image")
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([str(INSTALL), str(ROOT), str(target)], env=environment, check=True, timeout=900)
    return target


def hold(tree, *command, **variables):
    """Start ``command`` in the tree: an ordinary user, no capability, nothing to write but /tmp."""
    held = ["--unshare-user", "--disable-userns", "--uid", "10001", "--gid", "10001", "--cap-drop", "ALL"]
    held += [
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--tmpfs",
        "/tmp",
        "--die-with-parent",
    ]
    # pytest's own folder is below /tmp.
    held += ["--ro-bind", str(tree), str(tree), "--chdir", str(tree / "app")]
    environment = {
        "PATH": f"{tree}/venv/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "STATE_DIR": "/tmp/state",
        "SANDBOX_VENV": f"{tree}/sandbox",
        "STATIC_ROOT": f"{tree}/static",
        "SECRET_KEY": "of-the-smoke-test",
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
    }
    return subprocess.Popen(
        ["bwrap", *held, "--", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def database_address():
    """The database of the test by TCP: an embedded server's socket is open to its account only."""
    one = settings.DATABASES["default"]
    user = f"{quote(one['USER'])}:{quote(one['PASSWORD'])}"
    if not one["HOST"].startswith("/"):
        yield f"postgres://{user}@{one['HOST']}:{one['PORT']}/{one['NAME']}"
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"{one['HOST']}/.s.PGSQL.{one['PORT'] or 5432}"
        threading.Thread(target=relay, args=(server, place), daemon=True).start()
        yield f"postgres://{user}@127.0.0.1:{server.getsockname()[1]}/{one['NAME']}"
        # Closing alone would leave the thread in accept().
        server.shutdown(socket.SHUT_RDWR)


def relay(server, place):
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        inner = socket.socket(socket.AF_UNIX)
        inner.connect(place)
        for ends in ((client, inner), (inner, client)):
            threading.Thread(target=pump, args=ends, daemon=True).start()


def pump(source, sink):
    """Bytes of one direction until its end, which is told to the other."""
    with source:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def finish(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap, which plays the pod, is not installed")
def test_migrations_web_and_sandbox_run_from_the_tree(tree, transactional_db, database_address):
    servers = {"DATABASE_URL": database_address, "REDIS_URL": settings.REDIS_URL}
    # The database of the test has every table: the command of the init container agrees.
    code, said = finish(hold(tree, "python", "manage.py", "migrate", "--check", **servers))
    assert code == 0, said
    # The attacks are not tried: where this test is root, so is outside the user of the pod that bubblewrap
    # plays, and the kernel's limit of processes does not count for root.
    code, said = finish(
        hold(tree, "python", "-c", PROBE, DJANGO_SETTINGS_MODULE="orchestrator.settings", **servers)
    )
    assert (code, said.splitlines()[-1]) == (0, "linux-landlock"), said
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    line = stack.read_procfile()["web"].replace("${HOST}", "127.0.0.1").replace("${PORT}", port)
    web = hold(tree, *shlex.split(line), PROCESS="web", **servers)
    try:
        for path in ("/health", "/ready"):
            assert ask(f"http://127.0.0.1:{port}{path}", web) == 200
    finally:
        web.terminate()
        # Reads to the end, and closes the pipe.
        web.communicate(timeout=30)


def ask(address, process):
    """The status of an address, as soon as somebody answers there."""
    for _ in range(600):
        assert process.poll() is None, process.communicate()[0]
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nobody answers at {address}")

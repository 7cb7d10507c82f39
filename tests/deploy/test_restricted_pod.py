"""Which sandbox runs in a pod as ``deploy/k8s`` holds it, tried by the same flags on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy import manifests

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import django
django.setup()
from gates.sandbox import registry
print(*(one.name for one in registry.probe_backends() if one.available))
"""
# Landlock keeps signals in from here on; without root nothing else does.
KERNEL = (6, 12)
pytestmark = pytest.mark.slow


def hold_as_a_pod(command):
    """Run ``command`` as a restricted pod does: another user, no capability, no new privileges, a root that
    is read-only, scratch in /tmp, and no user namespace, which a runtime's own filter refuses."""
    pod = manifests.find(manifests.build_overlay("production"), "Deployment", "worker-gates")["spec"]
    user = str(pod["template"]["spec"]["securityContext"]["runAsUser"])
    held = ["--unshare-user", "--disable-userns", "--uid", user, "--gid", user, "--cap-drop", "ALL"]
    tree = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    environment = os.environ | {
        "HOME": "/tmp",
        "SECRET_KEY": "x",
        "DATABASE_URL": "postgres://nobody@localhost/none",
    }
    environment["DJANGO_SETTINGS_MODULE"] = "orchestrator.settings"
    return subprocess.run(
        ["bwrap", *held, *tree, "--", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap, which plays the pod, is not installed")
def test_the_backend_of_the_manifests_is_the_one_that_holds_in_a_restricted_pod():
    if hold_as_a_pod(["true"]).returncode != 0:
        pytest.skip("this machine lets nobody make a user namespace, so bubblewrap cannot play the pod")
    if tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < KERNEL:
        pytest.skip("this kernel is older than the one that the manifests ask for")
    tried = hold_as_a_pod([sys.executable, "-c", PROBE])
    assert tried.stdout.split() == ["linux-landlock"], tried.stderr
    (container,) = manifests.find(manifests.build_overlay("production"), "Deployment", "worker-gates")[
        "spec"
    ]["template"]["spec"]["containers"]
    assert manifests.read_values(container)["SANDBOX_BACKEND"] == "linux-landlock"

"""The image that ``make image`` builds, and every process of the manifests from it: ``make test-slow``.

The containers are crun's, with the flags of ``deploy/k8s`` (see ``pods``), and form a small cluster on this
machine in which a flow passes.
"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from orchestrator.core.cli_wheel import DISTRIBUTION
from orchestrator.dev.sample_repo import check_out_sample
from orchestrator.version import VERSION
from tests.deploy import cluster as clusters
from tests.deploy import pods
from tests.deploy.test_image import DOCKERFILE
from tests.deploy.test_operate_pages import list_commands
from tests.flows.evidence.conftest import make_key_pem

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "flowengine:of-the-tests"
SAMPLE = "devops-tooling"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(bool(pods.find_missing()), reason=pods.find_missing()),
]


def say(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def image():
    """What ``make image`` builds of this checkout; steps whose files are as before are not run again."""
    certificates = Path("/etc/ssl/certs")
    given = {"CERTIFICATES": str(certificates)} if certificates.is_dir() else {}
    given |= {"IMAGE": IMAGE, "BUILDAH_LAYERS": "true"}
    subprocess.run(["make", "image"], cwd=ROOT, env=os.environ | given, check=True, timeout=1800)
    described = json.loads(say("buildah", "inspect", "--type", "image", IMAGE))
    container = say("buildah", "from", IMAGE).strip()
    try:
        root = Path(say("buildah", "mount", container).strip())
        yield pods.Image(IMAGE, root, described["Docker"]["config"])
    finally:
        say("buildah", "rm", container)


def find(image, *conditions: str) -> list[str]:
    """The files of the image that meet the conditions, as paths in it."""
    found = say("find", str(image.root), "-xdev", *conditions).splitlines()
    return [one.removeprefix(str(image.root)) for one in found]


def test_no_program_lends_rights_and_nobody_writes_but_to_scratch(image):
    assert find(image, "-type", "f", "-perm", "/6000") == []
    # Devices are the runtime's own; in a sticky folder nobody touches what others have written.
    sticky = ("-not", "(", "-type", "d", "-perm", "-1000", ")")
    assert find(image, "-perm", "-0002", "-not", "-type", "l", "-not", "-type", "c", *sticky) == []
    assert find(image, "-user", "10001") == ["/var/lib/orchestrator"]
    # The account that built it may keep its files to itself; the image's user reads all of them.
    assert find(image, "-path", "*/opt/orchestrator/*", "-not", "-perm", "-0444", "-not", "-type", "l") == []


def test_it_has_nothing_to_build_with_and_keeps_no_secret(image):
    names = {Path(one).name for one in find(image, "-type", "f", "-perm", "/0111")}
    assert {"bwrap", "git", "blocks", "uv"} <= names
    assert names & {"gcc", "cc", "make", "ld", "curl", "wget", "pip", "pip3", "podman", "buildah"} == set()
    # What it was built with is not in its environment: only what the Dockerfile says.
    (block,) = re.findall(r"^ENV (.*?[^\\])$", DOCKERFILE, re.M | re.S)
    assert image.config["Env"] == block.replace("\\", "").split()
    left = ("pip.conf", ".netrc", ".env", ".git", ".npmrc", "id_rsa*", "*.key", "auth.json", ".pgpass")
    conditions = [word for name in left for word in ("-name", name, "-o")][:-1]
    assert find(image, "-not", "-path", "*/site-packages/*", "(", *conditions, ")") == []
    private = [
        "grep",
        "-rlI",
        "--include=*.pem",
        "PRIVATE KEY-----",
        str(image.root / "etc"),
        str(image.root / "opt"),
    ]
    assert subprocess.run(private, capture_output=True, text=True, check=False).stdout == ""


def test_its_health_check_fails_while_the_web_process_is_away(image, tmp_path):
    (kind, *check) = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    runner = pods.Runner(image, tmp_path)
    pod = clusters.manifests.find(clusters.PRODUCTION, "Deployment", "flowengine")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    values = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "PROCESS": "web"}
    # A network that has nobody else, so that the port is free.
    runner.start("away", pod, container, ["sleep", "600"], values, alone=True)
    runner.start("web", pod, container, image.config["Cmd"], values, alone=True)
    try:
        wait = 'for i in $(seq 600); do "$@" 2>/dev/null && exit 0; sleep 0.2; done; exit 1'
        answered = runner.enter("web", "sh", "-c", wait, "sh", *check)
        assert answered.returncode == 0, runner.read_log("web")
        assert runner.enter("away", *check).returncode != 0
    finally:
        runner.stop()


def test_the_digest_of_a_base_is_found_as_the_page_says(image):
    (command,) = list_commands("buildah inspect")
    *words, _ = shlex.split(command)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", say(*words, image.name).strip())


def end_within_grace(cluster, names):
    """Each process ends by itself when it is asked to; later the kubelet would kill it."""
    for name in names:
        cluster.runner.running[name].terminate()
    for name in names:
        grace = cluster.find_pod(name).get("terminationGracePeriodSeconds", 30)
        assert cluster.runner.finish(name, grace) == 0, f"{name}: {cluster.runner.read_log(name)[-2000:]}"


@pytest.fixture(scope="module")
def cluster(image, tmp_path_factory):
    """Every deployment of the overlay ``production``, ready."""
    runner = pods.Runner(image, tmp_path_factory.mktemp("pods"))
    with clusters.run_cluster(runner, make_key_pem()) as made:
        made.start_init("flowengine", "too-early")
        assert runner.finish("too-early", 120) == 1, runner.read_log("too-early")
        made.start("migrate", "Job")
        assert runner.finish("migrate", 600) == 0, runner.read_log("migrate")
        made.start_init("flowengine", "migrated")
        assert runner.finish("migrated", 120) == 0, runner.read_log("migrated")
        names = clusters.list_deployments()
        for name in names:
            made.start(name)
        for name in names:
            made.wait_until_ready(name)
        yield made
        end_within_grace(made, names)


@pytest.mark.parametrize("name", clusters.list_deployments())
def test_a_process_is_held_as_its_manifest_says(cluster, name):
    pod = cluster.find_pod(name)
    (container,) = pod["containers"]
    # The process itself, and one that enters as `kubectl exec` does.
    for one in ("1", "self"):
        said = cluster.runner.enter(name, "cat", f"/proc/{one}/status").stdout
        status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
        assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert status["Uid"].split() == [str(pod["securityContext"]["runAsUser"])] * 4
    search = ("find", "/", "-xdev", "-writable", "-not", "-type", "l", "-not", "-type", "c")
    found = cluster.runner.enter(name, *search).stdout.splitlines()
    assert sorted(found) == sorted(mount["mountPath"] for mount in container["volumeMounts"])


def test_web_portal_exporter_and_flower_answer(cluster):
    code, said = cluster.ask("flowengine", "/health")
    assert (code, json.loads(said)["version"]) == (200, VERSION)
    assert cluster.ask("flowengine", "/ready")[0] == 200
    assert cluster.ask("flowengine", "/admin/login/")[0] == 200
    # The wheel is packed from what is installed.
    code, page = cluster.ask("flowengine", "/cli/")
    assert code == 200
    assert DISTRIBUTION.replace("-", "_") in page
    assert cluster.ask("onboarding-portal", "/ready")[0] == 200
    token = {"Authorization": f"Bearer {clusters.TOKEN}"}
    assert "flow_status" in cluster.ask("exporter", "/metrics", token)[1]
    assert cluster.ask("exporter", "/metrics")[0] == 401
    assert cluster.ask("flower", "/")[0] == 401


def test_a_flow_passes_from_pod_to_pod(cluster, tmp_path):
    cluster.manage("flowengine", "register_repo", SAMPLE)
    token = cluster.manage("flowengine", "create_token", "smoke", "--operator").strip()
    work = check_out_sample(SAMPLE, tmp_path / "repo")
    assert cluster.blocks(token, work, "init", "--repo", SAMPLE).returncode == 0
    done = cluster.blocks(token, work, "flow", "run", "--input", "feature_request.md", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    flow = json.loads(done.stdout)
    assert {(gate["gate"], gate["verdict"]) for gate in flow["gates"]} >= {("mutation", "passed")}
    assert list(work.glob(".blocks/catalog/*/*/manifest.json"))
    verified = cluster.blocks(token, work, "verify", "show", flow["id"])
    assert verified.returncode == 0, verified.stdout


def list_typed_in_pods() -> list[str]:
    # With -it a person answers what it asks.
    return [one for one in list_commands("kubectl exec") if " -it " not in one]


@pytest.mark.parametrize("command", list_typed_in_pods())
def test_what_the_pages_type_in_a_pod_works_there(cluster, command):
    options, _, typed = command.partition(" -- ")
    name = re.search(r"deployment/([\w-]+)", options).group(1)
    done = cluster.runner.enter(name, *shlex.split(typed, comments=True))
    assert done.returncode == 0, done.stdout + done.stderr
    if "doctor" in typed:
        assert "every attack was held" in done.stdout
        (container,) = cluster.find_pod(name)["containers"]
        backend = clusters.manifests.read_values(container)["SANDBOX_BACKEND"]
        assert re.search(rf"{backend} +│ yes +│ yes", done.stdout), done.stdout

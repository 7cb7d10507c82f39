"""The production overlay's pods on this machine, with servers beside them: what a small cluster would run."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from moto.server import ThreadedMotoServer

from bench.simulated import run_simulator
from orchestrator.dev import embedded
from tests.deploy import manifests
from tests.deploy.pods import Runner
from tests.deploy.test_image import relay

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = manifests.build_overlay("production")
TOKEN = "of-the-exporter"
READY_SECONDS = 300
# The account of the bucket; a pod of a cluster has a role in its place.
ACCOUNT = {"AWS_ACCESS_KEY_ID": "loopback", "AWS_SECRET_ACCESS_KEY": "loopback"}


@dataclass
class Cluster:
    """Its containers by the name of their deployment, and what reaches them."""

    runner: Runner
    site: Mapping[str, str]
    """What somebody edits in ``deploy/k8s/site``: here, addresses of this machine."""
    secrets: Mapping[tuple[str, str], str]
    """Values by the name of the secret and its key."""
    ports: dict[str, int] = field(default_factory=dict)
    """A free port for each container that listens: the pods share this machine's network."""

    def start(self, name: str, kind: str = "Deployment") -> None:
        """Start the container of a workload as the manifest has it."""
        pod = self.find_pod(name, kind)
        (container,) = pod["containers"]
        words = container["command"]
        for port in container.get("ports", ()):
            free = embedded.find_free_port()
            self.ports[name] = free
            words = [word.replace(str(port["containerPort"]), str(free)) for word in words]
        words = [word.replace("0.0.0.0", "127.0.0.1") for word in words]
        values = self.read_values(pod, container)
        self.runner.start(name, pod, container, words, values)

    def start_init(self, name: str, label: str) -> None:
        """Start what runs before the container of the deployment ``name``."""
        pod = self.find_pod(name)
        (container,) = pod["initContainers"]
        self.runner.start(label, pod, container, container["command"], self.read_values(pod, container))

    def find_pod(self, name: str, kind: str = "Deployment") -> manifests.Manifest:
        """The pod of a workload."""
        return dict(manifests.find(PRODUCTION, kind, name)["spec"]["template"]["spec"])

    def read_values(self, pod: manifests.Manifest, container: manifests.Manifest) -> dict[str, str]:
        """The environment of a container, with the secrets that the manifest gives it and no other."""
        values = manifests.read_values(container)
        references = manifests.read_secrets(container).items()
        values |= {key: self.secrets[place] for key, place in references if place in self.secrets}
        if "envFrom" in container:
            values |= manifests.find(PRODUCTION, "ConfigMap", "settings")["data"] | dict(self.site)
            if pod["serviceAccountName"] == "orchestrator":
                values |= ACCOUNT
        return values

    def ask(self, name: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and text that a deployment answers; 0 where nobody answers."""
        address = f"http://127.0.0.1:{self.ports[name]}{path}"
        request = urllib.request.Request(address, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_until_ready(self, name: str) -> None:
        """Wait until the probe of the manifest says so; a worker, which has none, says it in its log."""
        (container,) = self.find_pod(name)["containers"]
        probe = container.get("readinessProbe", {}).get("httpGet", {})
        word = "leading" if name == "dispatcher" else " ready."
        end = time.monotonic() + READY_SECONDS
        while True:
            said = self.runner.read_log(name)
            if self.ask(name, probe["path"])[0] == 200 if probe else word in said:
                return
            ended = self.runner.running[name].poll()
            assert ended is None, f"{name} ended with {ended}: {said[-3000:]}"
            assert time.monotonic() < end, f"{name} is not ready: {said[-3000:]}"
            time.sleep(0.2)

    def manage(self, name: str, *words: str) -> str:
        """A management command typed in a container, which has to succeed."""
        done = self.runner.enter(name, "python", "manage.py", *words)
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def blocks(self, token: str, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """The command line of a user of the service."""
        given = {name: value for name, value in os.environ.items() if not name.startswith("BLOCKS_")}
        given |= {"PYTHONPATH": str(ROOT), "BLOCKS_TOKEN": token}
        given["BLOCKS_API_URL"] = f"http://127.0.0.1:{self.ports['flowengine']}"
        command = [sys.executable, "-m", "blocks.cli.main", *words]
        return subprocess.run(
            command, cwd=folder, env=given, capture_output=True, text=True, timeout=600, check=False
        )


def list_deployments() -> list[str]:
    """The deployments of the overlay."""
    return [one["metadata"]["name"] for one in PRODUCTION if one["kind"] == "Deployment"]


@contextmanager
def run_cluster(runner: Runner, signing_key: str) -> Iterator[Cluster]:
    """The servers, and pods that somebody starts; everything is stopped at the end."""
    with ExitStack() as stack:
        database = stack.enter_context(_open_to_users(stack.enter_context(embedded.run_postgres())))
        broker = stack.enter_context(embedded.run_valkey())
        models = stack.enter_context(run_simulator(echo=False, latency="0.05"))
        store = stack.enter_context(_run_store())
        bucket = manifests.find(PRODUCTION, "ConfigMap", "settings")["data"]["CONTEXT_BUNDLE_BUCKET"]
        _make_bucket(store, bucket)
        site = {name: url for name, url in models.items() if name.endswith("_BASE_URL")}
        site |= {"S3_ENDPOINT_URL": store, "AWS_DEFAULT_REGION": "us-east-1", "ALLOWED_HOSTS": "127.0.0.1"}
        # There is no ingress, which would speak TLS, so nobody is sent to https.
        site["SECURE_COOKIES"] = "false"
        secrets = {
            ("servers", "database-url"): database,
            ("servers", "redis-url"): broker,
            ("web", "secret-key"): "of-the-smoke-test",
            ("evidence", "signing-key"): signing_key,
            ("metrics", "token"): TOKEN,
            ("flower", "basic-auth"): "ops:of-the-smoke-test",
            **{("model-api-keys", name): "simulated" for name in ("anthropic", "openai", "google")},
            **{("messages", key): "" for key in ("slack-bot-token", "pagerduty-routing-key", "email-url")},
        }
        stack.callback(runner.stop)
        yield Cluster(runner, site, secrets)


@contextmanager
def _open_to_users(url: str) -> Iterator[str]:
    """The address by TCP of an embedded server, whose socket is open to its own account only."""
    folder = parse_qs(urlsplit(url).query)["host"][0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=relay, args=(server, f"{folder}/.s.PGSQL.5432"), daemon=True).start()
        yield f"postgres://postgres@127.0.0.1:{server.getsockname()[1]}/postgres"
        # Closing alone would leave the thread in accept().
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def _run_store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _make_bucket(store: str, name: str) -> None:
    keys: Any = {key.lower(): value for key, value in ACCOUNT.items()}
    client = boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule: Any = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 7}}
    client.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    client.close()

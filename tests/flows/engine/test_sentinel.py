"""Flows while the broker's primary is killed: real Redis with TLS, passwords and an ACL, three Sentinels.

Everything is configured by the files of ``deploy/redis``, and the product by its one variable ``REDIS_URL``.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from unittest.mock import patch
from urllib.parse import quote

import pytest
import redis
import yaml
from celery import Celery

from orchestrator import broker_address
from orchestrator.core import broker_client
from orchestrator.dev import embedded
from orchestrator.flows import engine
from orchestrator.flows.engine import broker
from orchestrator.flows.models import Attempt, Flow
from orchestrator.ops.status import core_parts
from orchestrator.process_secrets import SECRETS
from orchestrator.repos.models import Repo
from tests.flows.engine.stack import ROOT, running, until
from tests.redis_sentinel import has_tls, run_redis_under_sentinels, wait_for, write_certificates

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
    pytest.mark.skipif(not has_tls(), reason="redis-server with TLS is missing: apt install redis-server"),
]


def connect(url: str) -> Celery:
    """A sender for the broker at ``url``, as ``orchestrator.celery`` makes one."""
    address = broker_address.parse_broker_url(url)
    made = Celery("sender", broker=address.celery_url(), set_as_current=False)
    timeouts = {"socket_timeout": 2, "socket_connect_timeout": 2}
    made.conf.broker_use_ssl = address.tls_options()
    made.conf.broker_transport_options = {
        **timeouts,
        "master_name": address.master,
        "sentinel_kwargs": address.sentinel_options(timeouts),
    }
    made.conf.task_queues = broker.app.conf.task_queues
    return made


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """For the tests that leave everything as it was."""
    with run_redis_under_sentinels(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def unharmed(shared, settings):
    settings.REDIS_URL = shared.url
    return shared


@pytest.fixture
def sentinels(tmp_path, settings):
    folder = tmp_path / "redis"
    folder.mkdir()
    with run_redis_under_sentinels(folder) as found:
        settings.REDIS_URL = found.url
        yield found


def test_flows_run_through_the_death_of_the_primary(sentinels, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    assert core_parts.PARTS["redis"]() == "ok"
    # The web process, whose place this one takes, sends by the same address.
    sender = connect(sentinels.url)
    with running(logs, {"REDIS_URL": sentinels.url}) as stack, patch.object(broker, "app", sender):
        stack.worker("models", "google,openai,anthropic,control")
        stack.worker("gates", "gates", "prefork")
        stack.dispatcher()
        repo = Repo.objects.create(name="demo")

        def start(count: int) -> list[Flow]:
            return [engine.create(repo, "first: sleep 0.2", flow_type="scripted") for _ in range(count)]

        flows = start(4)
        until(
            lambda: Flow.objects.filter(status="passed").count() == 4, "the end of flows before the failover"
        )
        flows += start(8)
        until(lambda: Attempt.objects.filter(stage__flow=flows[-1]).exists(), "work in the middle")
        sentinels.kill("redis1")
        # Served or queued: a flow that begins while there is no primary waits in the database.
        flows += start(8)
        until(
            lambda: Flow.objects.filter(status="passed").count() == len(flows),
            "the end of flows over the failover",
        )
        # No stage ran twice.
        assert Attempt.objects.filter(stage__flow__in=flows).count() == 3 * len(flows)
        sender.close()
    assert sentinels.find_primary() == "redis2"
    wait_for(lambda: core_parts.PARTS["redis"]() == "ok", "readiness after the failover")

    # Without Sentinels there is no way to the primary, and the probe says so in time.
    for name in ("sentinel1", "sentinel2", "sentinel3"):
        sentinels.kill(name)
    begun = time.monotonic()
    assert core_parts.PARTS["redis"]() == "unreachable: MasterNotFoundError"
    assert time.monotonic() - begun < 5


def test_the_acl_keeps_the_product_from_what_it_does_not_need(unharmed):
    for words in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("ACL", "LIST"), ("SHUTDOWN",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            unharmed.ask("redis1", *words, user="blocks")
    with pytest.raises(redis.AuthenticationError):
        unharmed.ask("redis1", "PING", user="default")
    assert unharmed.ask("redis1", "INFO", "persistence", user="blocks")["aof_enabled"] == 1
    assert unharmed.ask("redis1", "INFO", "memory", user="blocks")["maxmemory_policy"] == "noeviction"


def test_a_server_with_a_certificate_of_somebody_else_is_refused(unharmed, settings, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_certificates(other)
    settings.REDIS_URL = unharmed.url.replace(
        quote(str(unharmed.ca), safe=""), quote(str(other / "ca.pem"), safe="")
    )
    assert "other" in settings.REDIS_URL
    with pytest.raises(redis.RedisError), broker_client.open_broker(2.0) as client:
        client.ping()
    # One server by rediss://, with the same check.
    address = f"rediss://blocks:b%2Fl%3Ao%40c%2Bk%25s%3F%23%3D@127.0.0.1:{unharmed.ports['redis1']}/0"
    settings.REDIS_URL = f"{address}?ssl_ca_certs={unharmed.ca}"
    with broker_client.open_broker(2.0) as client:
        assert client.ping()
    settings.REDIS_URL = address
    with pytest.raises(redis.ConnectionError), broker_client.open_broker(2.0) as client:
        client.ping()


def test_celery_connects_by_the_same_address(unharmed):
    """In a process of its own, as a worker does; ``rediss://`` too."""
    server = f"rediss://blocks:b%2Fl%3Ao%40c%2Bk%25s%3F%23%3D@127.0.0.1:{unharmed.ports['redis1']}/0"
    code = (
        "from orchestrator.celery import app\n"
        "with app.connection() as c:\n"
        "    q = c.SimpleQueue('probe')\n"
        "    q.put({'n': 1})\n"
        "    m = q.get(timeout=20)\n"
        "    m.ack()\n"
        "    print(m.payload['n'])\n"
    )
    for url in (unharmed.url, f"{server}?ssl_ca_certs={unharmed.ca}"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"REDIS_URL": url, "DATABASE_URL": "postgres://nobody@localhost/none"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout.strip() == "1", done.stderr[-2000:]


def test_the_authority_of_the_settings_serves_where_the_address_names_none(unharmed, settings):
    named = quote(str(unharmed.ca), safe="")
    server = f"rediss://blocks:b%2Fl%3Ao%40c%2Bk%25s%3F%23%3D@127.0.0.1:{unharmed.ports['redis1']}/0"
    for url in (unharmed.url.replace(f"&ssl_ca_certs={named}", ""), server):
        settings.REDIS_URL, settings.SERVERS_CA_FILE = url, ""
        with pytest.raises(redis.ConnectionError), broker_client.open_broker(2.0) as client:
            client.ping()
        settings.SERVERS_CA_FILE = str(unharmed.ca)
        with broker_client.open_broker(2.0) as client:
            assert client.ping()


@pytest.mark.slow
def test_flower_shows_the_workers_before_and_after_the_death_of_the_primary(sentinels, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    with running(logs, {"REDIS_URL": sentinels.url}) as stack:
        stack.worker("models", "google")
        address = start_flower(stack, sentinels.url)
        until(lambda: list_workers(address) == {"models": True}, "the worker in Flower")
        sentinels.kill("redis1")
        until(lambda: sentinels.find_primary() == "redis2", "the failover")
        # Seen alive again, and not only remembered.
        seen = time.time()
        until(lambda: read_heartbeat(address) > seen, "the worker's heartbeat in Flower")
        assert list_workers(address) == {"models": True}
        assert ask_flower(address, "/api/workers?refresh=1")
        assert ask_flower(address, "/broker")


def start_flower(stack, url: str) -> str:
    """Flower by its line in the manifests, with their environment; where it answers."""
    manifest, _ = yaml.safe_load_all((ROOT / "deploy/k8s/base/flower.yaml").read_text())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    port = embedded.find_free_port()
    values = {"REDIS_URL": url, "FLOWER_BASIC_AUTH": "sre:for-this-test"}
    environment = {one["name"]: one.get("value") or values[one["name"]] for one in container["env"]}
    given = {"address": "127.0.0.1", "port": str(port)}
    _, *words = [
        re.sub(r"--(\w+)=.*", lambda found: f"--{found[1]}={given[found[1]]}", word)
        for word in container["command"]
    ]
    # No secret of this process reaches it, as in its pod.
    none = dict.fromkeys((*SECRETS, "DATABASE_URL", "DATABASE_REPLICA_URLS"), "")
    stack.environment = none | environment
    stack.start("flower", sys.executable, *words)
    return f"http://127.0.0.1:{port}"


def ask_flower(address: str, path: str) -> bytes:
    """What Flower answers to somebody who shows the password."""
    account = base64.b64encode(b"sre:for-this-test").decode()
    asked = urllib.request.Request(address + path, headers={"Authorization": f"Basic {account}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return answer.read()


def list_workers(address: str) -> dict[str, bool]:
    """The workers by the beginning of their names, and whether Flower sees them alive."""
    try:
        found = json.loads(ask_flower(address, "/workers?json=1"))["data"]
    except OSError:
        return {}
    return {one["hostname"].partition("@")[0]: one["status"] for one in found}


def read_heartbeat(address: str) -> float:
    """When Flower has seen the newest heartbeat, in seconds since 1970."""
    (worker,) = json.loads(ask_flower(address, "/workers?json=1"))["data"]
    return max(worker["heartbeats"], default=0.0)


def test_passwords_are_in_no_text_of_the_address(unharmed):
    parsed = broker_address.parse_broker_url(unharmed.url)
    assert parsed.password not in repr(parsed)
    assert json.dumps(parsed.sentinels).count("127.0.0.1") == 3

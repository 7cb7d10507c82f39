"""``make up``: what it prints works, every part runs once, and no part is left however it ends."""

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.dev import embedded, stack
from orchestrator.dev.ops_tools import find_ops_tools
from orchestrator.queues import Queue

pytestmark = pytest.mark.timeout(600)

HIDDEN = (
    *("DATABASE_URL", "REDIS_URL", "BLOCKS_", "ANTHROPIC_", "OPENAI_", "GOOGLE_"),
    *("GITHUB_", "GITLAB_", "PAGERDUTY_", "GRAFANA_", "TERRAFORM_"),
)
# Of a service that is not asked for anything in these tests.
CONFIGURED = {"GITLAB_TOKEN": "of the operators", "GITLAB_API_URL": "http://127.0.0.1:1/api/v4"}
PORTS = (
    "PORT",
    "FLOWER_PORT",
    "EXPORTER_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "RECEIVERS_PORT",
)
FAMILIES = ("flows", "duration", "cost", "gate", "queue")


class Up:
    """One ``make up`` and what it has printed."""

    def __init__(self, state: Path, ops: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        ports = {name: str(embedded.find_free_port()) for name in PORTS}
        self.state, self.url, self.ports = state, f"http://127.0.0.1:{ports['PORT']}", ports
        state.parent.mkdir(parents=True, exist_ok=True)
        self.printed = state.parent / f"{state.name}.out"
        with self.printed.open("wb") as output:
            self.process = psutil.Popen(
                [sys.executable, "-m", "orchestrator.dev.stack"],
                env=clean
                | ports
                | CONFIGURED
                | {"STATE_DIR": str(state), "COLUMNS": "200", "PYTHONUNBUFFERED": "1", "OPS": ops},
                cwd=stack.ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        until(lambda: "ctrl-C stops everything" in self.text() or self.process.poll() is not None, 300)
        assert self.process.poll() is None, self.text()

    def text(self) -> str:
        return self.printed.read_text(encoding="utf-8", errors="replace")

    def family(self) -> list[psutil.Process]:
        """Itself and everything below it."""
        return [self.process, *self.process.children(recursive=True)]

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.text())
        assert match, (pattern, self.text())
        return match[1]

    def blocks(self, work: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """The command line as the printed lines set it up."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        clean |= {
            "PYTHONPATH": str(stack.ROOT),
            "BLOCKS_API_URL": self.url,
            "BLOCKS_TOKEN": self.found(r"BLOCKS_TOKEN=(\S+)"),
        }
        argv = [sys.executable, "-m", "blocks.cli.main", *words]
        return subprocess.run(
            argv, cwd=work, env=clean, capture_output=True, text=True, timeout=270, check=False
        )


def until(ready: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


def fetch(url: str, accept: str = "*/*") -> bytes:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Accept": accept}), timeout=30
    ) as answer:
        assert answer.status == 200
        return bytes(answer.read())


def read(url: str) -> str:
    return fetch(url).decode()


@contextmanager
def up(state: Path, ops: str = "0") -> Iterator[Up]:
    """A running ``make up``; every process that a test leaves is killed."""
    running = Up(state, ops)
    family = running.family()
    try:
        yield running
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)


def assert_all_gone(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=45)
    assert [
        (process.pid, process.cmdline()) for process in alive if process.status() != psutil.STATUS_ZOMBIE
    ] == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for the tests that only look; at the end it stops as by ctrl-C."""
    with up(tmp_path_factory.mktemp("a state") / "of mine", ops="1") as one:
        yield one
        family = one.family()
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(60) == 0
        assert one.text().endswith("\nStopped.\n")
        assert_all_gone(family)


def read_commands(running: Up) -> dict[str, psutil.Process]:
    """The processes below `make up`, by their commands; none that has ended stays unreaped."""
    until(lambda: all(one.status() != psutil.STATUS_ZOMBIE for one in running.process.children()), 30)
    return {" ".join(one.cmdline()): one for one in running.process.children()}


def test_each_part_runs_once(running: Up) -> None:
    lines = list(read_commands(running))
    for queue in Queue:
        assert len([line for line in lines if f" -Q {queue.value} " in line]) == 1, queue
    for part in (
        " flower ",
        " dispatcher",
        " exporter ",
        "uvicorn",
        "providers.simulator",
        "far_sides.local",
    ):
        assert len([line for line in lines if part in f"{line} "]) == 1, part


def test_what_has_no_credentials_is_local_and_is_said_to_be(running: Up) -> None:
    for name in ("GitHub", "PagerDuty", "Grafana"):
        note = json.loads(read(running.found(rf"Local {name}\s+(http://127.0.0.1:\d+)") + "/"))["note"]
        assert note == f"a stand-in on this machine, not {name}"
    assert "Local GitLab" not in running.text()


def test_the_printed_admin_login_works(running: Up) -> None:
    user, password = running.found(r"Admin login\s+(\S+) / "), running.found(r"Admin login\s+\S+ / (\S+)")
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = browser.open(f"{running.url}/admin/login/", timeout=30).read().decode()
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert csrf
    form = {"username": user, "password": password, "csrfmiddlewaretoken": csrf[1], "next": "/admin/"}
    answer = browser.open(
        urllib.request.Request(
            f"{running.url}/admin/login/",
            urllib.parse.urlencode(form).encode(),
            {"Referer": f"{running.url}/admin/login/"},
        ),
        timeout=30,
    )
    assert answer.url == f"{running.url}/admin/"
    assert "Flows" in answer.read().decode()


def test_the_api_docs_need_nobody_else(running: Up) -> None:
    page = read(f"{running.url}/api/v1/docs/")
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert [link for link in links if link.startswith(("http", "//"))] == []
    for link in links:
        if link.startswith("/"):
            assert fetch(running.url + link)
    schema = json.loads(fetch(f"{running.url}/api/v1/schema/", accept="application/json"))
    assert schema["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/onboarding/", "/status/", "/health", "/ready"])
def test_the_printed_pages_answer(running: Up, path: str) -> None:
    read(running.url + path)


@pytest.mark.parametrize("name", ["web", *(queue.value for queue in Queue)])
def test_each_log_is_a_file_and_the_addresses_stay_on_the_screen(running: Up, name: str) -> None:
    logs = Path(running.found(r"Logs\s+(.+)"))
    until(lambda: (logs / f"{name}.log").stat().st_size > 0, 30)
    lines = running.text().splitlines()
    printed = next(number for number, line in enumerate(lines) if "ctrl-C stops everything" in line)
    # What comes later are only notes of processes that were started again.
    assert all("was started again" in line for line in lines[printed + 1 :])


def test_flower_knows_the_workers(running: Up) -> None:
    # Flower asks around when it starts, so a worker that came later shows with its next heartbeat.
    until(lambda: "gates@" in read(f"http://127.0.0.1:{running.ports['FLOWER_PORT']}/"), 120)


@pytest.mark.slow
def test_a_flow_runs_shows_in_the_metrics_and_is_there_after_a_restart(tmp_path: Path) -> None:
    state, work = tmp_path / "kept state", tmp_path / "work"
    work.mkdir()
    with up(state) as first:
        request = str(stack.ROOT / "samples" / "devops-tooling" / "feature_request.md")
        done = first.blocks(
            work, "flow", "run", "--repo", "devops-tooling", "--input", request, "--no-context"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        task = done.stdout.split()[-1]
        metrics = read(f"http://127.0.0.1:{first.ports['EXPORTER_PORT']}/metrics")
        for name in FAMILIES:
            assert re.search(rf"^\w*{name}\w*(\{{[^}}]*\}})? \d", metrics, re.MULTILINE), (name, metrics)
        assert re.search(r'status="passed"\} [1-9]', metrics)
        family = first.family()
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(60) == 0
        assert_all_gone(family)
    with up(state) as second:
        assert task in second.blocks(work, "status", "flows").stdout


@pytest.mark.slow
def test_what_is_printed_can_be_typed_and_sends_only_the_sample(running: Up, tmp_path: Path) -> None:
    printed = re.findall(
        r"^    (export BLOCKS_.*|cd .*|\S*/blocks .*|'.*/blocks' .*)$", running.text(), re.MULTILINE
    )
    assert [line.split()[0] for line in printed[:2]] == ["export", "cd"]
    assert len(printed) == 4
    clean = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    script = " && ".join([*printed[:3], f"{printed[3]} --json"])
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(printed[1].removeprefix("cd ").strip("'"))
    assert (folder / ".blocks" / "catalog").is_dir()
    # The repo of the sample, without the files of this checkout.
    assert {path.name for path in folder.iterdir()} >= {"feature_request.md", ".blocks"}
    assert not (folder / "scenario.yml").exists()


def test_the_loss_of_one_process_ends_nothing(running: Up) -> None:
    (worker,) = [one for line, one in read_commands(running).items() if " -Q openai " in line]
    worker.kill()
    until(lambda: "openai ended and was started again" in running.text(), 60)
    assert len([line for line in read_commands(running) if " -Q openai " in line]) == 1
    assert running.process.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path / "state") as one, up(tmp_path / "another checkout's state") as other:
        family = one.family()
        assert len(family) > 12
        one.process.send_signal(number)
        one.process.wait(60)
        assert_all_gone(family)
        read(f"{other.url}/ready")  # the neighbour does not notice


def test_the_alert_chain_runs_with_the_product(running: Up, tmp_path: Path) -> None:
    if find_ops_tools() is None:
        assert "make ops unpacks them" in running.found(r"Prometheus +(.*)")
        pytest.skip("prometheus, promtool, alertmanager and amtool are missing: run make ops")
    prometheus, receivers = (f"http://127.0.0.1:{running.ports[name]}" for name in (PORTS[3], PORTS[5]))

    def is_scraped() -> bool:
        found = json.loads(read(f"{prometheus}/api/v1/query?query=up"))["data"]["result"]
        return [sample["value"][1] for sample in found] == ["1"]

    until(is_scraped, 120)
    rules = json.loads(read(f"{prometheus}/api/v1/rules?type=alert"))["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    # As the runbook types it.
    done = running.blocks(tmp_path, "alerts", "test", "budget_burn_rate")
    assert done.returncode == 0, done.stderr
    done = running.blocks(
        tmp_path, "notify", "slack", "--channel", "engineering", "--message", "All is well."
    )
    assert done.returncode == 0, done.stderr
    arrived = json.loads(read(f"{receivers}/"))
    assert [message["text"] for message in arrived["slack_messages"]] == ["All is well."]
    titles = [post["attachments"][0]["title"] for post in arrived["slack_webhooks"]]
    assert "[TEST] P3: budget_burn_rate" in titles

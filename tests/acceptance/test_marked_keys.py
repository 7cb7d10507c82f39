"""The whole product with keys that can be recognised: each is found where it belongs, and nowhere else."""

import base64
import http.cookiejar
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from orchestrator.dev import demo, embedded, stack
from orchestrator.process_secrets import SECRETS, is_secret, may_hold
from tests.flows.evidence.conftest import make_key_pem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SAMPLE = "devops-tooling"
# In no form that a pattern of the redaction knows: what keeps them in is where they are not given.
MARK = "qqmarkqq"
REPO_SECRET = "Xy7%tresor-Kq2-of-the-repo"
REQUEST_SECRET = "Zz9%tresor-Wn4-of-the-request"
FORM_SECRET = "Vv3%tresor-Jb8-of-the-form"
LINK = re.compile(r'(?:href|src)="(/[^"#]*)"')
MOST_PAGES = 400


def mark(name: str) -> str:
    return f"{MARK}-{name.lower().replace('_', '-')}-{'x' * 40}"


def make_secrets() -> dict[str, str]:
    """Every secret that the product knows, but the addresses of its servers, which are on sockets here."""
    marked = {name: mark(name) for name in SECRETS if not name.startswith(("DATABASE", "REDIS"))}
    return marked | {
        "EVIDENCE_SIGNING_KEY": make_key_pem(),
        "EMAIL_URL": f"smtp://me:{mark('EMAIL_URL')}@127.0.0.1:1",
        "FLOWER_BASIC_AUTH": f"me:{mark('FLOWER_BASIC_AUTH')}",
    }


class MarkedStack:
    """The running product, its secrets and what a user has of it."""

    def __init__(self, running: stack.Stack, secrets: dict[str, str], folder: Path) -> None:
        self.running, self.secrets, self.folder = running, secrets, folder
        self.url = f"http://127.0.0.1:{running.values['PORT']}"
        self.browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def list_marks(self) -> dict[str, bytes]:
        """What must not be found, by the name of its secret."""
        marks = {name: value.encode() for name, value in self.secrets.items()}
        marks["EVIDENCE_SIGNING_KEY"] = self.secrets["EVIDENCE_SIGNING_KEY"].split("\\n")[1].encode()
        for name in ("EMAIL_URL", "FLOWER_BASIC_AUTH"):
            marks[name] = mark(name).encode()
        users_own = {"token": self.running.access["token"], "password": self.running.access["password"]}
        typed = {"repo": REPO_SECRET, "request": REQUEST_SECRET, "form": FORM_SECRET}
        return marks | {name: value.encode() for name, value in (users_own | typed).items()}

    def find_marks(self, text: bytes) -> set[str]:
        """The secrets in ``text``, plain or in base64."""
        return {
            name
            for name, value in self.list_marks().items()
            # The middle of a value in base64 is the same at one of three places in its group.
            if value in text or any(base64.b64encode(value[at:])[4:-4] in text for at in range(3))
        }

    def open(self, path: str, form: dict[str, str] | None = None, **headers: str) -> bytes:
        """A page or an answer, of any status."""
        url = path if path.startswith("http") else self.url + path
        data = None if form is None else urllib.parse.urlencode(form).encode()
        asked = urllib.request.Request(url, data, {"Referer": url, **headers})
        try:
            with self.browser.open(asked, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return bytes(error.read())

    def submit(self, path: str, form: dict[str, str]) -> bytes:
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', self.open(path))
        assert token, path
        return self.open(path, form | {"csrfmiddlewaretoken": token[1].decode()})

    def ask_api(self, path: str, body: Any = None) -> bytes:
        headers = {
            "Authorization": f"Bearer {self.running.access['token']}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}/api/v1/{path}", data, headers)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return bytes(error.read())

    def family(self) -> list[tuple[str, psutil.Process]]:
        """Every process of the stack with the name of its line in the Procfile."""
        found = []
        for name, child in self.running.running.items():
            one = psutil.Process(child.pid)
            found += [(name, process) for process in (one, *one.children(recursive=True))]
        assert self.running.zygote is not None
        return [*found, ("zygote", psutil.Process(self.running.zygote.process.pid))]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarkedStack]:
    """As `make up`, with every secret set; the vendors are simulated, the other far sides are away."""
    folder = tmp_path_factory.mktemp("marked")
    secrets = make_secrets()
    ports = {name: str(embedded.find_free_port()) for name in ("PORT", "FLOWER_PORT", "EXPORTER_PORT")}
    bare = {name: "" for name in os.environ if name.startswith(("BLOCKS_", "ENGINE_", "SIMULATOR_"))}
    environment = bare | ports | secrets
    environment |= dict.fromkeys(("SLACK_API_URL", "PAGERDUTY_EVENTS_URL"), "http://127.0.0.1:1")
    environment |= dict.fromkeys(("GITHUB_API_URL", "GITLAB_API_URL"), "http://127.0.0.1:1")
    environment |= {"DATABASE_URL": "", "REDIS_URL": "", "STATE_DIR": str(folder / "state")}
    # The sample passes its gates in a test of its own.
    environment |= {"QUALITY_GATE_MODE": "advisory", "SIMULATOR_SAMPLES": "samples"}

    def simulate(running: stack.Stack) -> None:
        command = "python -m providers.simulator --samples ${SIMULATOR_SAMPLES} --latency 0.05"
        running.start(stack.SIMULATOR, command)
        log = running.log_path(stack.SIMULATOR)
        running.wait_until(lambda: stack._read_simulator_urls(log) != {}, name=stack.SIMULATOR)
        running.values |= stack._read_simulator_urls(log)

    with stack.run_processes(
        list(stack.read_procfile()),
        state=folder / "state",
        logs=folder / "logs",
        simulator=False,
        environment=environment,
        prepare=simulate,
    ) as running:
        yield MarkedStack(running, secrets, folder)


@pytest.fixture(scope="module")
def used(marked: MarkedStack) -> str:
    """Everything that people do, once: a flow, an onboarding, messages, wrong passwords; the flow's id."""
    source, work = stack.ROOT / "samples" / SAMPLE, marked.folder / "work"
    shutil.copytree(source / "repo", work)
    (work / "settings.py").write_text(f'DB_PASSWORD = "{REPO_SECRET}"\n')
    (work / ".env").write_text(f"DB_PASSWORD={REPO_SECRET}\n")
    request = (source / "feature_request.md").read_text(encoding="utf-8")
    (work / "feature_request.md").write_text(f"{request}\n\nThe password: {REQUEST_SECRET}\n")
    subprocess.run(["git", "init", "--quiet", str(work)], check=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BLOCKS_")}
    clean |= {"PYTHONPATH": str(stack.ROOT), "BLOCKS_API_URL": marked.url}
    clean["BLOCKS_TOKEN"] = marked.running.access["token"]
    repo = demo.find_sample_repo(SAMPLE)
    for words in (("init", "--repo", repo), ("flow", "run", "--input", "feature_request.md", "--json")):
        command = [sys.executable, "-m", "blocks.cli.main", *words]
        done = subprocess.run(command, cwd=work, env=clean, capture_output=True, text=True, check=False)
        assert marked.find_marks(f"{done.stdout}{done.stderr}".encode()) == set()
    flow = str(json.loads(done.stdout)["id"])
    access = marked.running.access
    login = {"username": access["user"], "password": "wrong"}
    assert b"Please" in marked.submit("/login/", login)
    marked.submit("/login/", login | {"password": access["password"]})
    wish = {"repo": "example-org/new-service", "block_family": "compliance", "team_lead": "lead@example.org"}
    wish |= {"ci_system": "github_actions", "ci_credentials": "secret"}
    refused = wish | {"repo": f"https://me:{FORM_SECRET}@git.example.org/x.git"}
    assert marked.find_marks(marked.submit("/onboarding/", refused)) == {"form"}, "one's own form, once"
    answer = marked.submit("/onboarding/", wish).decode()
    rows = marked.open("/admin/onboarding/onboardingrequest/").decode()
    number = re.search(r"/admin/onboarding/onboardingrequest/(\d+)/", rows)
    assert number, answer
    decide = {"action": "approve", "_selected_action": number[1], "confirmed": "yes", "reason": "a test"}
    marked.submit("/admin/onboarding/onboardingrequest/", decide)
    marked.ask_api("notify/slack/", {"channel": "#sre", "message": f"password: {REQUEST_SECRET}"})
    marked.ask_api("notify/email/", {"to": "sre@example.org", "subject": "Hello", "body": "Hello."})
    time.sleep(5)
    return flow


def test_the_run_was_whole(marked: MarkedStack, used: str) -> None:
    shown = json.loads(marked.ask_api(f"flows/{used}/"))
    assert shown["status"] == "passed", shown
    # Its code host is away here, so the request is kept and tried again.
    assert b"new-service" in marked.ask_api("onboarding/")
    assert b"sre@example.org" in marked.ask_api("notifications/")


def test_no_key_is_in_a_log(marked: MarkedStack, used: str) -> None:
    logs = list((marked.folder / "logs").glob("*.log"))
    assert {path.stem for path in logs} >= set(stack.read_procfile())
    assert {path.name: found for path in logs if (found := marked.find_marks(path.read_bytes()))} == {}


def test_no_key_is_in_a_row_but_the_repos_own_files(marked: MarkedStack, used: str) -> None:
    with psycopg.connect(marked.running.values["DATABASE_URL"]) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND table_type = 'BASE TABLE'"
        ).fetchall()
        assert len(tables) > 20
        found = {}
        for (table,) in tables:
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT (FORMAT binary)') as rows:
                if marks := marked.find_marks(b"".join(bytes(part) for part in rows)):
                    found[table] = marks
    # The snapshot, which the gates need as it is, and no model, page or block is given. The file with the
    # request is one of the repo's.
    assert found == {"flows_blob": {"repo", "request"}}


def test_no_key_is_in_evidence_bundles_and_answers(marked: MarkedStack, used: str) -> None:
    kept = [path for path in (marked.folder / "state").rglob("*") if path.is_file()]
    secret_key = marked.folder / "state" / "secret_key"
    stored = [path for path in kept if "postgres" not in str(path) and path != secret_key]
    assert any(b"DB_PASSWORD" in path.read_bytes() for path in stored), "the bundle is not in the store"
    assert {str(path): found for path in stored if (found := marked.find_marks(path.read_bytes()))} == {}
    for part in ("", "gates/", "calls/", "evidence/", "block/"):
        assert marked.find_marks(marked.ask_api(f"flows/{used}/{part}")) == set(), part
    for path in ("config/", f"repos/{demo.find_sample_repo(SAMPLE)}/config/", "quota/", "notifications/"):
        assert marked.find_marks(marked.ask_api(path)) == set(), path


def test_no_key_is_on_a_page(marked: MarkedStack, used: str) -> None:
    """Every page that a superuser reaches by links."""
    todo = ["/", "/status/", "/flows/", f"/flows/{used}/", "/dashboards/", "/admin/", "/onboarding/"]
    seen: set[str] = set()
    while todo and len(seen) < MOST_PAGES:
        path = todo.pop(0)
        plain = path.partition("?")[0]
        if plain in seen or plain.startswith(("/static/", "/admin/logout", "/logout")) or "events" in plain:
            continue
        seen.add(plain)
        page = marked.open(path)
        assert marked.find_marks(page) == set(), path
        todo += [link for link in LINK.findall(page.decode("utf-8", "replace")) if link not in seen]
    assert len(seen) > 60
    values = marked.running.values
    login = base64.b64encode(marked.secrets["FLOWER_BASIC_AUTH"].encode()).decode()
    flower = f"http://127.0.0.1:{values['FLOWER_PORT']}"
    for path in ("/", "/tasks", "/broker", "/api/workers"):
        page = marked.open(flower + path, Authorization=f"Basic {login}")
        assert page
        assert marked.find_marks(page) == set(), path
    metrics = f"http://127.0.0.1:{values['EXPORTER_PORT']}/metrics"
    page = marked.open(metrics, Authorization=f"Bearer {marked.secrets['METRICS_TOKEN']}")
    assert b"flow" in page
    assert marked.find_marks(page) == set()


def test_processes_hold_their_own_keys_and_show_none(marked: MarkedStack, used: str) -> None:
    for name, process in marked.family():
        shown = " ".join(process.cmdline()).encode()
        assert marked.find_marks(shown) == set(), name
        # As the kernel shows it, and as a forked process has set it since.
        held = {
            variable
            for variable, value in process.environ().items()
            if is_secret(variable) and value in marked.secrets.values()
        }
        allowed = {
            variable for variable in held if name in stack.read_procfile() and may_hold(name, variable)
        }
        assert held == allowed, name

"""Processes forked from one that has imported the product: each with its own environment, log and end."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from orchestrator import child_processes
from orchestrator.dev import forking, stack
from orchestrator.process_secrets import SECRETS, withhold_secrets

KEY = "marked-anthropic-key"
SHOWN = """
import json, os, sys
from django.conf import settings
from orchestrator.celery import app
print(json.dumps({
    "parent": os.getppid(), "key": settings.PROVIDERS["anthropic"]["api_key"], "broker": app.conf.broker_url,
    "database": settings.DATABASES["default"]["NAME"], "words": sys.argv[1:], "process": settings.PROCESS,
    "imported": "orchestrator.urls" in sys.modules,
}))
sys.exit(3)
"""


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[forking.Zygote]:
    log = tmp_path_factory.mktemp("zygote") / "zygote.log"
    with forking.run_zygote(environment(), log, stack.ROOT) as one:
        yield one


def environment(**more: str) -> dict[str, str]:
    return dict(os.environ) | {"ANTHROPIC_API_KEY": KEY, "SECRET_KEY": "marked-secret"} | more


def run(zygote: forking.Zygote, name: str, script: Path, **more: str) -> tuple[int, str]:
    given = withhold_secrets(name, environment(**more))
    with TemporaryFile() as output:
        code = zygote.fork(name, [str(script), "a word", "another"], given, output).wait(60)
        output.seek(0)
        return code, output.read().decode()


def test_a_forked_process_reads_its_own_environment(zygote: forking.Zygote, tmp_path: Path) -> None:
    script = tmp_path / "shown.py"
    script.write_text(SHOWN)
    more = {"DATABASE_URL": "postgres://nobody@localhost/its_own", "REDIS_URL": "redis://127.0.0.1:7/3"}
    code, text = run(zygote, "anthropic", script, **more)
    assert code == 3, text
    assert json.loads(text) == {
        "parent": os.getpid(),
        "key": KEY,
        "broker": more["REDIS_URL"],
        "database": "its_own",
        "words": ["a word", "another"],
        "process": "anthropic",
        "imported": True,
    }
    # The next one is not for this key, and the one that forks both does not have it either.
    _, text = run(zygote, "exporter", script, **more)
    assert json.loads(text)["key"] != KEY
    held = Path(f"/proc/{zygote.process.pid}/environ").read_bytes()
    assert KEY.encode() not in held
    assert b"marked-secret" not in held


def test_a_process_that_only_loads_code_is_given_no_secret() -> None:
    given = forking.process_secrets.leave_out_secrets(
        dict.fromkeys(SECRETS, "marked") | {f"{name}_FILE": "marked" for name in SECRETS} | {"PORT": "1"}
    )
    assert given["PORT"] == "1"
    assert "marked" not in given.values()


def test_a_forked_process_says_why_it_failed(zygote: forking.Zygote, tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text("raise RuntimeError('no port')")
    code, text = run(zygote, "web", script)
    assert code == 1
    assert "RuntimeError: no port" in text


def test_a_forked_process_is_shown_by_its_own_command(zygote: forking.Zygote, tmp_path: Path) -> None:
    child = start_sleeper(zygote, tmp_path)
    shown = Path(f"/proc/{child.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    assert shown[1:] == [str(tmp_path / "sleeper.py").encode(), b"-Q", b"openai"]
    assert child_processes.stop(child, grace_seconds=5) == -signal.SIGTERM


def test_a_forked_process_that_is_killed_leaves_nothing(zygote: forking.Zygote, tmp_path: Path) -> None:
    child = start_sleeper(zygote, tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0)
    child.kill()
    assert child.wait(30) == -signal.SIGKILL
    child.terminate()  # nobody
    assert not Path(f"/proc/{child.pid}").exists()


def start_sleeper(zygote: forking.Zygote, folder: Path) -> forking.ForkedProcess:
    """A process that runs until it is ended."""
    script, begun = folder / "sleeper.py", folder / "begun"
    script.write_text(f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)")
    with TemporaryFile() as output:
        child = zygote.fork("openai", [str(script), "-Q", "openai"], environment(), output)
    wait_until(begun.exists)
    return child


def wait_until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_zygote_that_has_ended_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "zygote.log"
    with (
        forking.run_zygote(environment(LOG_LEVEL="LOUD"), log, stack.ROOT) as broken,
        TemporaryFile() as output,
    ):
        broken.process.wait(60)
        with pytest.raises(
            forking.ZygoteError, match=r"web was not forked; .*zygote\.log .*\n(.*\n)*.*LOG_LEVEL"
        ):
            broken.fork("web", ["manage.py"], environment(), output)

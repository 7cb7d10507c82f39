"""What a job gets and what comes back, on every backend."""

import multiprocessing
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from django.conf import settings

from gates.sandbox import Job, Outcome, SandboxUnavailable, probe_backends, run_job
from gates.sandbox.base import Availability, SandboxBackend
from gates.sandbox.interpreter import find_interpreter
from gates.sandbox.registry import BACKENDS, _find_working_backend
from orchestrator.core.registry import Registry

Python = Callable[..., Outcome]


def test_outputs_and_exit_code_come_back(python: Python) -> None:
    outcome = python(
        "import os, sys; print('out'); print('err', file=sys.stderr); os.write(3, b'result'); sys.exit(3)"
    )
    assert (outcome.stdout, outcome.stderr, outcome.result) == (b"out\n", b"err\n", b"result")
    assert (outcome.exit_code, outcome.signal, outcome.timed_out, outcome.truncated) == (
        3,
        None,
        False,
        False,
    )


def test_a_signal_is_distinguished_from_an_exit_code(python: Python) -> None:
    outcome = python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (outcome.exit_code, outcome.signal) == (None, 11)


def test_files_are_in_the_working_directory(backend: SandboxBackend) -> None:
    files = {"block.py": b"import deep.er.data\n", "deep/er/data.py": b"print('imported')\n"}
    outcome = backend.run(Job(argv=("python", "-B", "block.py"), files=files))
    assert outcome.stdout == b"imported\n", outcome.stderr


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "", "a\0b"])
def test_a_path_that_leads_out_is_refused(backend: SandboxBackend, name: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        backend.run(Job(argv=("python", "-c", "pass"), files={name: b""}))


def test_large_input_and_output_do_not_block_each_other(backend: SandboxBackend) -> None:
    code = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data)"
    data = bytes(range(256)) * 3000
    assert backend.run(Job(argv=("python", "-I", "-c", code), stdin=data)).stdout == data


def test_the_gates_tools_work_inside(backend: SandboxBackend) -> None:
    code = b"""
import asyncio

def test_it(tmp_path):
    asyncio.run(asyncio.sleep(0))
    (tmp_path / "a").write_text("x")
"""
    tools = ("-m", "coverage", "run", "--data-file=/dev/null", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    outcome = backend.run(Job(argv=("python", *tools), files={"test_block.py": code}))
    assert b"1 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_only_the_lean_packages_are_there(python: Python) -> None:
    assert python("import pytest, coverage, jsonschema").exit_code == 0
    assert python("import django").exit_code == 1


def test_a_job_gets_its_own_variables_and_no_other(
    backend: SandboxBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-host")
    code = "import os; print(os.environ.get('SEED'), os.environ.get('OPENAI_API_KEY'))"
    outcome = backend.run(Job(argv=("python", "-I", "-c", code), environment={"SEED": "7"}))
    assert outcome.stdout == b"7 None\n"


def test_jobs_run_from_several_threads_at_once(backend: SandboxBackend) -> None:
    jobs = [Job(argv=("python", "-I", "-S", "-c", f"print({number})")) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        said = [outcome.stdout for outcome in pool.map(backend.run, jobs)]
    assert said == [b"%d\n" % number for number in range(8)]


def _in_child(backend: SandboxBackend, told: Connection) -> None:
    told.send(backend.run(Job(argv=("python", "-I", "-S", "-c", "print('child')"))).stdout)


def test_a_daemonic_process_may_run_jobs(backend: SandboxBackend) -> None:
    """Celery's pool children are such: they may have no children of multiprocessing's own."""
    context = multiprocessing.get_context("fork")
    heard, told = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(backend, told), daemon=True)
    child.start()
    try:
        assert heard.poll(30)
        assert heard.recv() == b"child\n"
    finally:
        child.join(10)


def test_a_backend_works_here() -> None:
    assert any(each.available for each in probe_backends()), probe_backends()
    assert run_job(Job(argv=("python", "-I", "-S", "-c", "print(1)"))).stdout == b"1\n"


def test_only_the_lean_interpreter_can_be_run() -> None:
    with pytest.raises(ValueError, match="lean interpreter"):
        run_job(Job(argv=("/bin/sh", "-c", "true")))


def test_without_the_interpreter_the_operator_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "SANDBOX_VENV", tmp_path / "nowhere")
    monkeypatch.setattr("gates.sandbox.registry._chosen", {})
    find_interpreter.cache_clear()
    try:
        with pytest.raises(SandboxUnavailable, match="not built") as caught:
            run_job(Job(argv=("python",)))
    finally:
        find_interpreter.cache_clear()
    assert caught.value.code == "gates:no-sandbox"
    assert "make setup" in caught.value.cure


class Missing:
    name = "bubblewrap"

    def availability(self) -> Availability:
        return Availability(self.name, False, "not on this machine")

    def run(self, job: Job) -> Outcome:
        raise AssertionError(f"{job} must not be run")


missing_backend = Missing()
ONLY_MISSING: Registry[SandboxBackend] = Registry(
    "sandbox backend", {"bubblewrap": "tests.gates.sandbox.test_backends:missing_backend"}
)


def test_with_no_backend_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gates.sandbox.registry.BACKENDS", ONLY_MISSING)
    with pytest.raises(SandboxUnavailable, match="not on this machine"):
        _find_working_backend("auto")


def test_an_extra_folder_can_be_read_and_not_written(backend: SandboxBackend) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "extra_module.py").write_text("SAID = 'from outside'\n")
    code = (
        "import sys; sys.path.append('packages'); import extra_module; print(extra_module.SAID)\n"
        "try: open('packages/new', 'w')\nexcept OSError as error: print('closed')\n"
    )
    outcome = backend.run(Job(argv=("python", "-I", "-B", "-c", code), extra_readonly={"packages": folder}))
    assert outcome.stdout == b"from outside\nclosed\n", outcome.stderr
    assert [path.name for path in folder.iterdir()] == ["extra_module.py"]


@pytest.mark.parametrize("name", ["../out", "/etc/out", ""])
def test_an_extra_folder_is_in_the_working_directory(backend: SandboxBackend, name: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        backend.run(
            Job(argv=("python", "-c", "pass"), extra_readonly={name: Path("/usr/share")})
        )  # open to any account


_CONNECT = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
def answer():
    there, _ = server.accept()
    there.sendall(b"own server")
    there.close()
threading.Thread(target=answer, daemon=True).start()
print(socket.create_connection(server.getsockname(), 5).recv(99).decode())
for address in (("127.0.0.1", PORT), ("192.0.2.1", 80), ("10.0.0.1", 443)):
    try:
        socket.create_connection(address, 2)
    except OSError:
        continue
    print("reached", address)
for family in (1, 10, 16, 17, 40):
    try:
        socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        continue
    print("opened family", family)
"""


def test_a_job_may_reach_itself_and_nobody_else(backend: SandboxBackend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as host:
        code = _CONNECT.replace("PORT", str(host.getsockname()[1]))
        job = Job(argv=("python", "-I", "-c", code), loopback=True)
        if backend.name == "linux-landlock":
            with pytest.raises(SandboxUnavailable, match="network namespace"):
                backend.run(job)
            return
        assert backend.run(job).stdout == b"own server\n"


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_keeps_to_the_protocol(name: str) -> None:
    member = BACKENDS.get(name)
    assert member.name == name
    found = member.availability()
    assert found.name == name
    assert found.reason
    refusal: SandboxUnavailable | None = None
    works = False
    try:
        outcome = member.run(Job(argv=("python", "-I", "-c", "pass")))
        works = outcome.exit_code == 0 and outcome.backend == name
    except SandboxUnavailable as error:
        refusal = error
    assert found.available is works
    assert refusal is None or (refusal.code == "gates:no-sandbox" and refusal.cure)

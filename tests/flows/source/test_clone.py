"""Clones from a real git server on loopback, and from servers and repos that mean harm."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from gates.sandbox.command import can_have_own_network
from gates.sandbox.linux import find_landlock_version
from orchestrator.flows.source import clone as clone_module
from orchestrator.flows.source.clone import CloneFailed, clone
from orchestrator.flows.source.git import Git, Network
from orchestrator.repos import clone_urls
from tests.flows.source.git_server import (
    GitRepo,
    GitServer,
    answer_nothing,
    answer_with_status,
    drip,
    make_certificate,
    redirect_all,
    run_git,
    send_delta_bomb,
    send_endless_pack,
    serve_git,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that git's own account may enter, which it may not with ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="open-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def expect_refusal(url: str) -> CloneFailed:
    with pytest.raises(CloneFailed) as failed:
        clone(url)
    assert failed.value.cure
    return failed.value


def test_the_tracked_files_of_the_default_branch(git_server: GitServer, git_repo: GitRepo) -> None:
    git_repo.put("src/a.py", b"x = 1\n").put("run.sh", b"true\n", "100755").put("b.dat", b"\0\xff\r\n")
    git_repo.put(".blocks/config.yml", b"repo: x\n").put(".blocks/catalog/m.py", b"").put(
        ".env", b"KEY=v\n"
    ).put("big.txt", b"x" * 600_000)
    git_repo.commit()
    second = git_repo.put("src/a.py", b"x = 2\n").commit()
    found = clone(git_server.url())
    assert found.files == {
        "src/a.py": b"x = 2\n",
        "run.sh": b"true\n",
        "b.dat": b"\0\xff\r\n",
        ".blocks/config.yml": b"repo: x\n",
    }
    assert (found.commit, found.origin) == (second, f"git+{git_server.url()}@{second}")
    assert found.reasons == {"that look like secrets": 1, "over 512 KB": 1}
    assert not any("authorization" in headers or "cookie" in headers for _, headers in git_server.asked)


def test_nothing_of_a_tree_leads_out_of_it_or_runs(
    git_server: GitServer, git_repo: GitRepo, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    git_repo.put("a.py", b"$Id$\r\n").put("link", b"/etc/passwd", "120000").put("up", b"../../etc", "120000")
    git_repo.put(
        ".gitattributes", b"*.py filter=evil ident text eol=lf\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
    )
    git_repo.put(".gitconfig", f'[filter "evil"]\n\tsmudge = touch {ran}\n'.encode())
    git_repo.put("w.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    git_repo.put(
        ".gitmodules", f'[submodule "s"]\n\tpath = s\n\turl = {git_server.url("other.git")}\n'.encode()
    )
    git_repo.entries.append(f"160000 {'1' * 40}\ts")
    git_repo.commit()
    hook = git_repo.bare / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    found = clone(git_server.url())
    assert found.files["a.py"] == b"$Id$\r\n", "no filter has touched it"
    assert found.files["w.bin"].startswith(b"version https://git-lfs")
    assert not {"link", "up", "s"} & set(found.files)
    assert found.reasons == {"that are links, unreadable or unnameable": 3}
    assert not ran.exists()
    assert all(path.startswith("/repo.git/") for path, _ in git_server.asked)


def test_paths_that_no_repo_has_are_left_out(git_server: GitServer, git_repo: GitRepo) -> None:
    blob = run_git(git_repo.bare, "hash-object", "-w", "--stdin", given=b"x")
    raw = b"".join(
        b"100644 %b\0" % name + bytes.fromhex(blob)
        for name in (b"..", b".git", b"a\\b", b"ok.py", b"\xff.py")
    )
    git_repo.point(
        run_git(git_repo.bare, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=raw)
    )
    found = clone(git_server.url())
    assert set(found.files) == {".git", "ok.py"}
    assert sum(found.reasons.values()) == 3


def test_a_tree_that_multiplies_itself_is_stopped(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone_module, "LISTING_BYTES", 2 << 20)
    below = run_git(git_repo.bare, "hash-object", "-w", "--stdin", given=b"x")
    for level in range(8):
        mode, kind = ("100644", "blob") if level == 0 else ("040000", "tree")
        lines = "".join(f"{mode} {kind} {below}\tf{n}\n" for n in range(10))
        below = run_git(git_repo.bare, "mktree", given=lines.encode())
    git_repo.point(below)
    assert expect_refusal(git_server.url()).code == "context:clone-too-large"


def test_a_pack_that_does_not_end_is_stopped_while_it_arrives(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("a.py", b"x").commit()
    monkeypatch.setattr(clone_module, "LARGEST_BYTES", 4 << 20)
    git_server.hostile = send_endless_pack(git_server, 400 << 20)
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable) == ("context:clone-too-large", False)
    assert 4 << 20 <= git_server.sent < 40 << 20


def test_a_large_repo_is_refused_as_such(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("noise.dat", os.urandom(3 << 20)).commit()
    monkeypatch.setattr(clone_module, "LARGEST_BYTES", 1 << 20)
    assert expect_refusal(git_server.url()).code == "context:clone-too-large"


def test_a_silent_server_is_left_in_time_and_nothing_stays(
    git_server: GitServer, settings: LazySettings, tmp_path: Path, monkeypatch
) -> None:
    settings.CLONE_TIMEOUT_SECONDS = 1
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    git_server.hostile = answer_nothing(20)
    began = time.monotonic()
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable) == ("context:clone-failed", True)
    assert time.monotonic() - began < 10
    assert not list((tmp_path / "scratch").iterdir())
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert git_server.url() not in running


def test_no_redirect_is_followed(git_server: GitServer, git_repo: GitRepo, tmp_path: Path) -> None:
    git_repo.put("a.py", b"x").commit()
    (tmp_path / "elsewhere").mkdir()
    with serve_git(tmp_path / "elsewhere") as other:
        git_server.hostile = redirect_all(f"http://127.0.0.1:{other.port}")
        failed = expect_refusal(git_server.url())
        assert (failed.code, other.asked) == ("context:clone-refused", [])
    assert "another address" in str(failed)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (answer_with_status(401, WWW_Authenticate='Basic realm="x"'), "context:clone-refused", "credentials"),
        (answer_with_status(403), "context:clone-refused", "credentials"),
        (answer_with_status(404), "context:clone-refused", "no such repo"),
        (answer_with_status(500), "context:clone-failed", "did not give"),
    ],
)
def test_what_a_server_refuses_is_sorted_by_who_can_fix_it(
    git_server: GitServer, answer, code: str, words: str
) -> None:
    git_server.hostile = answer
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable) == (code, code == "context:clone-failed")
    assert words in str(failed)


def test_an_empty_repo_has_nothing_to_clone(git_server: GitServer, git_repo: GitRepo) -> None:
    assert expect_refusal(git_server.url()).code == "context:clone-refused"


def test_git_goes_where_the_name_was_checked_to_lead_and_nowhere_else(
    git_server: GitServer, git_repo: GitRepo, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name has no entry anywhere: git can only have used the address that was checked."""
    git_repo.put("a.py", b"x").commit()
    settings.CLONE_PRIVATE_HOSTS = frozenset({"git.example.test"})
    answer = [(2, 1, 6, "", ("127.0.0.1", git_server.port))]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    assert clone(f"http://git.example.test:{git_server.port}/repo.git").files == {"a.py": b"x"}


def test_a_name_that_leads_inside_is_not_asked(
    git_server: GitServer, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLONE_PRIVATE_HOSTS = frozenset()
    answer = [(2, 1, 6, "", (address, git_server.port)) for address in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    failed = expect_refusal(f"https://git.example.test:{git_server.port}/repo.git")
    assert (failed.code, git_server.asked) == ("repo:clone-url-refused", [])


def test_a_machine_without_git_is_the_operators_to_fix(
    git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent:/bin/nowhere")
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable, "git is installed" in failed.cure) == (
        "context:clone-failed",
        True,
        True,
    )


def test_a_git_that_is_not_held_to_an_address_clones_nothing(
    git_server: GitServer, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    old = open_folder / "git"
    old.write_text("#!/bin/sh\necho git version 2.36.9\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_folder}:{os.environ['PATH']}")
    failed = expect_refusal(git_server.url())
    assert (failed.code, str(failed)) == (
        "context:clone-failed",
        "Repos are cloned with git 2.37 or newer; this worker has git version 2.36.9.",
    )
    assert not git_server.asked


def test_nothing_of_the_workers_environment_goes_to_git(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("a.py", b"x").commit()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'http.extraHeader'='Authorization: secret'")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/nonexistent")
    assert clone(git_server.url()).files == {"a.py": b"x"}
    assert "authorization" not in git_server.asked[0][1]


Spy = Callable[..., str]


@pytest.fixture
def spy(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spy]:
    """Runs a shell script in the place of git, and returns what it said."""
    program = open_folder / "git"
    home = Path(tempfile.mkdtemp(prefix="clone-"))
    monkeypatch.setenv("PATH", f"{open_folder}:{os.environ['PATH']}")

    def run(script: str, network: Network | None = None, *, online: bool = False) -> str:
        program.write_text(f"#!/bin/sh\n{script}\nexit 0\n")
        program.chmod(0o755)
        network = network or Network(("127.0.0.1",), 1, own=can_have_own_network())
        git = Git(home, {}, network, max_bytes=1 << 20, ends_at=time.monotonic() + 60)
        return git("anything", online=online).decode()

    yield run
    shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give git an account of its own")
def test_git_has_an_account_of_its_own_which_signals_nobody(spy: Spy) -> None:
    said = spy(f"id -u; id -G; (kill -0 {os.getpid()} && echo signalled) 2>&1")
    assert "signalled" not in said
    numbers = {int(line) for line in said.splitlines() if line.isdecimal()}
    assert numbers
    assert 0 not in numbers


def test_git_reads_and_writes_only_what_is_its_own(spy: Spy, open_folder: Path) -> None:
    """Also what everybody may read, where the kernel has Landlock."""
    if not find_landlock_version():
        pytest.skip("this kernel has no Landlock")
    secret, place = open_folder.parent / f"{open_folder.name}.key", open_folder / "written"
    open_folder.chmod(0o777)
    secret.write_text("marked")
    try:
        said = spy(
            f"(cat {secret} /etc/hostname /proc/1/cmdline {shlex.quote(str(ROOT / 'manage.py'))};"
            f" echo x > {place};"
            " echo mine > own; cat own) 2>&1"
        )
    finally:
        secret.unlink()
    assert said.splitlines()[-1] == "mine"
    assert "marked" not in said
    assert said.count("ermission denied") == 5
    assert not place.exists()


PYTHON = "/usr/bin/python3"
CONNECT = (
    PYTHON
    + """ -I -S -c '
import socket, sys
for address in sys.argv[1:]:
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as found:
            found.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            print("reached", address, found.recv(9))
    except OSError as error:
        print("not", address)
' """
)


@pytest.fixture
def addresses(git_server: GitServer, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of the server, and of another one; both answer."""
    (tmp_path / "other").mkdir()
    with serve_git(tmp_path / "other") as other:
        git_server.hostile = other.hostile = answer_with_status(404)
        yield f"127.0.0.1:{git_server.port}", f"127.0.0.1:{other.port}"


def test_git_reaches_one_server_and_nothing_else(
    spy: Spy, git_server: GitServer, addresses: tuple[str, str]
) -> None:
    """The other one is on this machine's loopback, as a database or a cloud's metadata would be near."""
    if not can_have_own_network():
        pytest.skip("no namespaces here")
    there, elsewhere = addresses
    network = Network(("127.0.0.1",), git_server.port, own=True)
    script = f"{CONNECT} {there} {elsewhere} 192.0.2.1:443 127.0.0.1:22"
    said = spy(script, network, online=True).splitlines()
    assert said == [
        f"reached {there} b'HTTP/1.1 '",
        f"not {elsewhere}",
        "not 192.0.2.1:443",
        "not 127.0.0.1:22",
    ]
    # A command that reads what was fetched reaches nobody at all.
    assert spy(script, network).count("not ") == 4


def test_without_a_network_of_its_own_git_reaches_one_port(
    spy: Spy, git_server: GitServer, addresses: tuple[str, str]
) -> None:
    if find_landlock_version() < 4:
        pytest.skip("this kernel's Landlock knows no ports")
    there, elsewhere = addresses
    network = Network(("127.0.0.1",), git_server.port, own=False)
    said = spy(f"{CONNECT} {there} {elsewhere}", network, online=True).splitlines()
    assert said == [f"reached {there} b'HTTP/1.1 '", f"not {elsewhere}"]
    assert spy(f"{CONNECT} {there}", network) == f"not {there}\n"


def test_a_server_at_two_addresses_is_asked_at_the_one_that_answers(
    git_server: GitServer, git_repo: GitRepo, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("a.py", b"x").commit()
    settings.CLONE_PRIVATE_HOSTS = frozenset({"git.example.test"})
    answer = [(2, 1, 6, "", (address, git_server.port)) for address in ("127.0.0.1", "127.0.0.0")]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    assert clone(f"http://git.example.test:{git_server.port}/repo.git").files == {"a.py": b"x"}


@pytest.mark.parametrize("own", [True, False])
def test_an_ordinary_user_clones_too(
    own: bool, git_server: GitServer, git_repo: GitRepo, open_folder: Path
) -> None:
    """In a process that is not root, where this one is."""
    version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True, check=False).stdout
    if not version.startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}."):
        pytest.skip("the system has no Python of this version")
    if os.geteuid() == 0 and not all(folder.stat().st_mode & 0o001 for folder in ROOT.parents):
        pytest.skip("the checkout is where another account cannot enter")
    git_repo.put("a.py", b"x").commit()
    script = open_folder / "script.py"
    script.write_text(
        "import os, sys\n"
        f"sys.path[:0] = {[str(ROOT), sysconfig.get_path('purelib')]}\n"
        "from django.conf import settings\n"
        "settings.configure(CLONE_TIMEOUT_SECONDS=60, CLONE_PRIVATE_HOSTS=frozenset({'127.0.0.1'}))\n"
        "from orchestrator.flows.source import clone\n"
        f"clone.can_have_own_network = lambda: {own}\n"
        "print(os.geteuid(), dict(clone.clone(sys.argv[1]).files))\n"
    )
    account = 65534 if os.geteuid() == 0 else os.geteuid()
    done = subprocess.run(
        [PYTHON, "-P", str(script), git_server.url()],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        user=account if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split(" ", 1) == [str(account), "{'a.py': b'x'}\n"], done.stderr


def test_a_small_pack_that_inflates_is_not_read(git_server: GitServer, git_repo: GitRepo) -> None:
    git_repo.put("zeros.dat", bytes(48 << 20)).put("a.py", b"x").commit()
    found = clone(git_server.url())
    assert set(found.files) == {"a.py"}
    assert found.reasons == {"over 512 KB": 1}


def test_a_delta_that_claims_more_than_memory_ends_git_and_not_the_worker(
    git_server: GitServer, git_repo: GitRepo
) -> None:
    git_repo.put("a.py", b"x").commit()
    git_server.hostile = send_delta_bomb
    failed = expect_refusal(git_server.url())
    assert failed.code in {"context:clone-failed", "context:clone-too-large"}


def test_a_server_that_drips_is_left_in_time(
    git_server: GitServer, git_repo: GitRepo, settings: LazySettings
) -> None:
    settings.CLONE_TIMEOUT_SECONDS = 1
    git_repo.put("a.py", b"x").commit()
    git_server.hostile = drip
    began = time.monotonic()
    assert expect_refusal(git_server.url()).retryable
    assert time.monotonic() - began < 10


def test_over_tls_with_a_name_only_a_trusted_server_is_cloned_from(
    tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    settings.CLONE_PRIVATE_HOSTS = frozenset({"git.example.test"})
    (tmp_path / "tls").mkdir()
    trusted = make_certificate(open_folder, "git.example.test")
    with serve_git(tmp_path / "tls", certificate=trusted) as server:
        GitRepo(server).put("a.py", b"x").commit()
        url = f"https://git.example.test:{server.port}/repo.git"
        answer = [(2, 1, 6, "", ("127.0.0.1", server.port))]
        monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
        assert expect_refusal(url).code == "context:clone-failed"
        assert server.asked == []
        monkeypatch.setenv("GIT_SSL_CAINFO", str(trusted))
        assert clone(url).files == {"a.py": b"x"}
        # The same server sends everybody on, to a place that only this machine reaches.
        server.hostile = redirect_all("http://127.0.0.1:1")
        assert expect_refusal(url).code == "context:clone-refused"
        # Words of an option in the path stay a path.
        server.hostile = None
        assert expect_refusal(f"https://git.example.test:{server.port}/--upload-pack=id").retryable is False

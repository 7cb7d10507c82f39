"""What an attack aims at: bait on the host, and the judgement whether it was taken."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gates.sandbox.base import Job, Outcome

HELD = b"held"
_PRELUDE = (Path(__file__).parent / "scripts" / "prelude.py").read_text()
_JOB = Job(argv=("python",), wall_seconds=20, memory_bytes=512 << 20)
_MARK = "SANDBOX_ATTACK_MARK"


@dataclass(frozen=True, slots=True)
class Attack:
    """One way of breaking out.

    ``script`` is a file of ``scripts/``; ``judge`` says what got through, ``None`` when it was held.

    ``harmless`` attacks can be run without any sandbox, where they must succeed: that shows that they are
    attacks.
    """

    name: str
    claim: str
    script: str
    job: Job = _JOB
    judge: "Callable[[Outcome, Bait], str | None] | None" = None
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class AttackResult:
    """How one attack went. ``breach`` is empty when it was held."""

    attack: Attack
    breach: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Bait:
    """The bait: a secret in a file, in the environment and in another job's folder, sockets, a process."""

    secret: str
    secret_file: Path
    other_job: Path
    port: int
    unix_socket: Path
    abstract_socket: str
    victim: subprocess.Popen[bytes]

    def describe_to_attacker(self) -> bytes:
        """What the attacker knows: everything except the secret itself. The worst case, an insider."""
        known = {
            "secret_file": str(self.secret_file),
            "other_job": str(self.other_job),
            "port": self.port,
            "unix_socket": str(self.unix_socket),
            "abstract_socket": self.abstract_socket,
            "victim": self.victim.pid,
            "worker": os.getpid(),
            "mark": _MARK,
            "project": str(Path(__file__).resolve().parents[3]),
            "home": str(Path.home()),
            "daemon": self.daemon_mark,
        }
        return json.dumps(known).encode()

    @property
    def daemon_mark(self) -> str:
        return f"daemon-{self.secret[:12]}"

    def find_survivors(self) -> list[int]:
        """Processes of the attack that still live."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and self.daemon_mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found


@contextlib.contextmanager
def lay_bait() -> Iterator[Bait]:
    """Lay out the bait; all of it is gone at the end."""
    secret = secrets.token_hex(16)
    # The worker's own environment holds secrets, too.
    os.environ[_MARK] = secret
    with contextlib.ExitStack() as stack:
        stack.callback(os.environ.pop, _MARK, None)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bait-")))
        folder.chmod(0o755)  # readable for everybody: only the sandbox protects it
        other = folder / "src"
        other.mkdir()
        for path in (folder / ".env", other / "block.py"):
            path.write_text(secret)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        named.listen()
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        # An abstract socket has no file: only a network namespace or the filter keeps a job away from it.
        abstract.bind(f"\0{secret}")
        abstract.listen()
        # Started by the same user, as a worker's other children are.
        victim = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], env={_MARK: secret}
        )
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield Bait(
            secret,
            folder / ".env",
            other / "block.py",
            listener.getsockname()[1],
            folder / "socket",
            secret,
            victim,
        )


def build_attack_job(attack: Attack, target: Bait) -> Job:
    """The attack as a job: prelude and script in one file, the attacker's knowledge on standard input."""
    script = (Path(__file__).parent / "scripts" / f"{attack.script}.py").read_text()
    files = {"attack.py": (_PRELUDE + script + "\nfinish()\n").encode(), "honest.py": b"VALUE = 1\n"}
    return replace(
        attack.job, argv=("python", "-I", "-B", "attack.py"), files=files, stdin=target.describe_to_attacker()
    )


def run_attack(attack: Attack, run: Callable[[Job], Outcome], target: Bait) -> AttackResult:
    """Run one attack through ``run`` and judge it from outside."""
    outcome = run(build_attack_job(attack, target))
    return AttackResult(attack, _find_breach(attack, outcome, target), outcome.wall_seconds)


def _find_breach(attack: Attack, outcome: Outcome, target: Bait) -> str:
    # What came out decides, not what the script says of itself.
    if target.secret.encode() in outcome.stdout + outcome.stderr + outcome.result:
        return "a secret of the host came out"
    if target.victim.poll() is not None:
        return "a process of the host was killed"
    judged = attack.judge(outcome, target) if attack.judge else _read_script_verdict(outcome)
    return judged or ""


def _read_script_verdict(outcome: Outcome) -> str | None:
    """What the script itself says got through. One that ends before it says anything proves nothing."""
    if outcome.result == HELD:
        return None
    return (
        outcome.result.decode(errors="replace")
        or f"no word from it: {outcome.stderr.decode(errors='replace')[-300:]}"
    )


def run_attacks(attacks: Iterable[Attack], run: Callable[[Job], Outcome]) -> Iterator[AttackResult]:
    """Every attack in turn, each against fresh bait. Raises ``SandboxUnavailable``."""
    for attack in attacks:
        with lay_bait() as target:
            yield run_attack(attack, run, target)

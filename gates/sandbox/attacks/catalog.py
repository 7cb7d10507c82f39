"""The attacks, one entry each. What they do is in ``scripts/``, and mostly how they are judged too."""

from gates.sandbox.attacks.bait import Attack, Bait
from gates.sandbox.base import Job, Outcome

# Small, so that the attacks that use up something end soon.
_MIB = 1 << 20
_SMALL_TMP, _SMALL_MEMORY, _TASKS, _OUTPUT = 8 * _MIB, 160 * _MIB, 32, 64 << 10
_STOPPED_WITHIN = 10.0


def _tasks_bounded(outcome: Outcome, _: Bait) -> str | None:
    # Zero would mean that the attack itself did not work.
    made = int(outcome.result or b"0")
    return None if 0 < made < _TASKS else f"{made} processes were made of {_TASKS} allowed"


def _memory_bounded(outcome: Outcome, _: Bait) -> str | None:
    return outcome.result.decode() if outcome.result.startswith(b"got") else None


def _disk_bounded(outcome: Outcome, _: Bait) -> str | None:
    """A job that was killed for it was held; one that lives to tell must have been refused in time."""
    # Twice the limit: where the folder is measured and not sized, a writer may overshoot before it is seen.
    written = int(outcome.result or b"0")
    return None if written <= 2 * _SMALL_TMP else f"{written} bytes were written of {_SMALL_TMP} allowed"


def _output_bounded(outcome: Outcome, _: Bait) -> str | None:
    longest = max(len(outcome.stdout), len(outcome.stderr), len(outcome.result))
    return (
        None if longest <= _OUTPUT and outcome.truncated else f"{longest} bytes came out of {_OUTPUT} allowed"
    )


def _clock_holds(outcome: Outcome, _: Bait) -> str | None:
    return (
        None
        if outcome.timed_out and outcome.wall_seconds < _STOPPED_WITHIN
        else f"it ran for {outcome.wall_seconds:.1f} s"
    )


def _nothing_survives(outcome: Outcome, bait: Bait) -> str | None:
    if not outcome.result.startswith(b"started"):
        return f"no daemon was started: {outcome.stderr.decode(errors='replace')[-200:]}"
    # Looked for on the host, by a mark in the command line.
    living = bait.find_survivors()
    return f"{len(living)} processes outlived the job" if living else None


_SHORT = Job(argv=("python",), wall_seconds=1)

# The document of the threat model lists them in this order; `doctor --write` writes it.
ATTACKS: tuple[Attack, ...] = (
    Attack("host-files", "reads passwords, home, project and mounted secrets", "host_files", harmless=True),
    Attack("proc-escape", "leaves through /proc of other processes", "proc_escape", harmless=True),
    Attack("environ", "finds secrets in its own or any other environment", "environ", harmless=True),
    Attack("other-jobs", "reads what another job was given", "other_jobs", harmless=True),
    Attack("descriptors", "uses a descriptor that was left open", "descriptors"),
    Attack("socket-families", "opens a socket of any family and type", "socket_families", harmless=True),
    Attack("loopback", "connects to a service on the host's loopback", "loopback", harmless=True),
    Attack("unix-sockets", "connects to a Unix socket, named or abstract", "unix_sockets", harmless=True),
    Attack("host-signals", "signals or reprioritises a process of the host", "host_signals", harmless=True),
    Attack("ptrace", "traces or reads the memory of another process", "ptrace", harmless=True),
    Attack(
        "kernel-interfaces",
        "uses io_uring, bpf, userfaultfd, perf, keys, calls yet unknown",
        "kernel_interfaces",
        harmless=True,
    ),
    Attack("foreign-abi", "calls the kernel through the 32-bit and x32 doors", "foreign_abi", harmless=True),
    Attack("user-namespaces", "makes or enters namespaces", "user_namespaces"),
    Attack("mounts", "mounts, binds, pivots or changes root", "mounts"),
    Attack("privileges", "becomes root, by call, capability or setuid program", "privileges"),
    Attack("devices", "makes or opens devices, types into the terminal", "devices"),
    Attack(
        "source-and-runtime", "rewrites its source, the interpreter or the gates' tools", "source_and_runtime"
    ),
    Attack("kernel-settings", "writes to /proc/sys and its like", "kernel_settings"),
    Attack("raise-limits", "raises its own limits", "raise_limits"),
    Attack(
        "shared-memory", "hides memory in System V, queues or memory files", "shared_memory", harmless=True
    ),
    Attack(
        "fork-bomb",
        "forks without end",
        "fork_bomb",
        Job(argv=("python",), wall_seconds=20, processes=_TASKS),
        _tasks_bounded,
    ),
    Attack(
        "memory",
        "takes more memory than it may",
        "memory",
        Job(argv=("python",), memory_bytes=_SMALL_MEMORY),
        _memory_bounded,
    ),
    Attack(
        "memory-of-many",
        "spreads it over many processes",
        "memory_of_many",
        Job(argv=("python",), wall_seconds=20, memory_bytes=_SMALL_MEMORY),
        _memory_bounded,
    ),
    Attack(
        "disk",
        "fills every folder that it can write to",
        "disk",
        Job(argv=("python",), tmp_bytes=_SMALL_TMP),
        _disk_bounded,
    ),
    Attack("planted-output", "leaves symlinks, FIFOs and files for the host", "planted_output"),
    Attack(
        "huge-output",
        "writes without end to every output",
        "huge_output",
        Job(argv=("python",), wall_seconds=20, max_output=_OUTPUT),
        _output_bounded,
    ),
    Attack("endless", "loops, deaf to every signal", "endless", _SHORT, _clock_holds),
    Attack("silent", "closes every output and waits", "silent", _SHORT, _clock_holds),
    Attack("daemon", "leaves a process behind in a session of its own", "daemon", judge=_nothing_survives),
    Attack(
        "daemon-after-clock",
        "leaves one behind when the clock stops it",
        "daemon_endless",
        _SHORT,
        _nothing_survives,
    ),
)

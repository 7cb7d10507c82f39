"""The first process of the ``linux`` backend: a fresh interpreter that builds the sandbox around itself and becomes the job.

Started as ``python -I -S launcher.py <descriptor>`` with an empty environment; the descriptor yields one JSON object (see
``gates.sandbox.linux``). It imports nothing of ours, so that it starts in milliseconds and runs from a copy as well. It writes
one JSON object to the status pipe: ``{"exit": n}``, ``{"signal": n}`` or ``{"error": text}`` when the sandbox cannot be built;
then nothing was run. System call numbers and structures: the kernel's uapi headers.
"""

from __future__ import annotations

import binascii
import contextlib
import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # the real module costs milliseconds at every start
    from typing import Any, NoReturn

    Spec = dict[str, Any]

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH, AT_FDCWD, AT_RECURSIVE = 2, -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
SECCOMP_MODE_FILTER, LAST_CAPABILITY, CAPABILITY_VERSION_3 = 2, 63, 0x20080522
MOUNT_SETATTR, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 442, 444, 445, 446
PIVOT_ROOT, CAPSET = {"x86_64": (155, 126), "aarch64": (41, 91)}.get(os.uname().machine, (-1, -1))
FILE_RIGHTS = 0b1100000000000111  # execute, write, read; truncate and device ioctl
READ_RIGHTS = 0b1101  # execute, read a file, list a folder
WATCH_SECONDS = 0.05
INODES = 16384

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    checked(libc.prctl(option, *padded), f"prctl {option}")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    code = libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    checked(code, f"mount {target}")


def set_attributes(path: str, attributes: int, flags: int) -> None:
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    arguments = (AT_FDCWD, path.encode(), flags, request, ctypes.c_size_t(len(request)))
    checked(libc.syscall(MOUNT_SETATTR, *arguments), f"mount_setattr {path}")


# --- namespaces


def become(account: list[int]) -> None:
    os.setgroups([])
    os.setresgid(account[1], account[1], account[1])
    os.setresuid(account[0], account[0], account[0])


def enter_namespaces(spec: Spec) -> None:
    """Root needs no user namespace where it may make the others; everybody else, and a root without powers, gets one."""
    others = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET
    if spec["account"]:
        if libc.unshare(others) == 0:
            return
        become(spec["account"])
        spec["account"] = None
    inside, uid, gid = spec["inside_id"], os.geteuid(), os.getegid()
    prctl(PR_SET_DUMPABLE, 1)  # after a change of user, /proc/self would be root's
    checked(libc.unshare(NEWUSER), "user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {uid} 1"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    checked(libc.unshare(others), "namespaces")


def bind(source: str, target: str) -> None:
    """``source`` read-only at ``target``, with everything mounted below it."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    mount(source, target, "", MS_BIND | MS_REC)


def build_root(spec: Spec) -> None:
    """A tree of our own in place of the host's.

    Must run as process 1 of the new process namespace, for /proc.
    """
    os.umask(0o022)
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    root = spec["root"]
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=4096,mode=755")
    for target, name in spec["links"]:
        os.symlink(target, root + name)
    for device in spec["devices"]:
        bind(device, root + device)
    os.symlink("/tmp", root + "/dev/shm")  # noqa: S108 (the job's own)
    os.mkdir(root + "/tmp")  # noqa: S108
    owner = spec["account"] or [spec["inside_id"]] * 2
    options = f"size={spec['tmp_bytes']},nr_inodes={INODES},mode=700,uid={owner[0]},gid={owner[1]}"
    mount("tmpfs", root + "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)  # noqa: S108
    # after /tmp: one of them may lie in the host's /tmp
    for source, name in spec["binds"]:
        bind(source, root + name)
        set_attributes(root + name, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, AT_RECURSIVE)
    os.mkdir(root + "/proc")
    # a container that hides parts of its own /proc may not show a new one: then the job has none
    with contextlib.suppress(OSError):
        mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid")
    os.chdir(root)
    checked(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    checked(libc.umount2(b".", MNT_DETACH), "leave the host's tree")
    os.chdir("/")
    set_attributes("/", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, 0)
    libc.sethostname(b"sandbox", 7)


# --- Landlock


def landlock_version() -> int:
    """The kernel's Landlock ABI, 0 when it has none."""
    return max(0, int(libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)))


def restrict_files(readable: list[str], writable: list[str], devices: list[str]) -> int:
    """Deny every file but these to this process and its children for good. Returns the ABI used."""
    version = landlock_version()
    if version < 1:
        raise OSError(f"Landlock: this kernel has none (error {ctypes.get_errno()})")
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    attributes = struct.pack("=QQQ", rights, 0b11, 0b11)[: 8 if version < 4 else 16 if version < 6 else 24]
    arguments = (attributes, ctypes.c_size_t(len(attributes)), 0)
    rules = checked(libc.syscall(LANDLOCK_CREATE, *arguments), "Landlock ruleset")
    makes_devices = 1 << 6 | 1 << 11
    for paths, allowed in (
        (readable, READ_RIGHTS),
        (writable, rights & ~makes_devices & ~1),
        (devices, 0b110),
    ):
        for path in paths:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            fitting = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & FILE_RIGHTS
            rule = struct.pack("=Qi", allowed & fitting, descriptor)
            checked(libc.syscall(LANDLOCK_ADD, rules, 1, rule, 0), f"Landlock rule for {path}")
            os.close(descriptor)
    checked(libc.syscall(LANDLOCK_RESTRICT, rules, 0), "Landlock")
    os.close(rules)
    return version


# --- the job's process


def drop_privileges(account: list[int] | None) -> None:
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(
            PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0
        )  # refused where there is nothing to drop
    if account:
        become(account)
    libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header, nothing = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)
    checked(libc.syscall(CAPSET, header, nothing), "drop capabilities")
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def filter_calls(code: bytes) -> None:
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    buffer = ctypes.create_string_buffer(program, len(program))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(buffer))


def become_job(spec: Spec, status: int) -> NoReturn:
    """Give up everything, then run the job. Whatever fails before that is reported, never run without it."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        namespaced = spec["mode"] == "namespaces"
        if not namespaced:
            drop_privileges(spec["account"])
        os.chdir(spec["source"])
        if not namespaced or landlock_version():
            restrict_files(spec["readable"], [spec["tmp"]], spec["devices"])
        for number, value in spec["limits"]:
            resource.setrlimit(number, (value, value))
        for number in range(1, signal.NSIG):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        filter_calls(binascii.a2b_base64(spec["filter"]))
        os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 (a shell is what we avoid)
    except OSError as error:
        report(status, {"error": str(error)})
    os._exit(126)


# --- the watcher


def report(status: int, what: dict[str, Any]) -> None:
    os.write(status, json.dumps(what).encode())


def family(own: int) -> set[int]:
    """Every descendant of this process that is not dead yet."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    parents[int(name)] = int(fields[1])
    found: set[int] = set()
    fresh = {own}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def folder_size(path: str) -> int:
    """Bytes that a folder takes, with a kilobyte for each entry so that empty files count too."""
    total, folders = 0, [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512 + 1024
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
        except FileNotFoundError:
            continue
        except OSError:
            return sys.maxsize  # too deep, or closed to us: made to hide something
    return total


def unlinked_size(processes: set[int]) -> int:
    """Bytes of files that were deleted while open: they fill the disk unseen."""
    seen: dict[tuple[int, int], int] = {}
    for pid in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{pid}/fd/{name}")
                    if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
                        seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def end_family(account: list[int] | None) -> None:
    """Kill every descendant.

    All at once by user where the job has one of its own; else stop all first, so that none forks.
    """
    if account:
        killer = os.fork()
        if killer == 0:
            become(account)
            with contextlib.suppress(OSError):
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        seen: set[int] = set()
        while fresh := family(os.getpid()) - seen:
            for pid in fresh:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
            seen |= fresh
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def fills_disk(spec: Spec) -> bool:
    allowed: int = spec["tmp_bytes"]
    return folder_size(spec["tmp"]) + unlinked_size(family(os.getpid())) > allowed


def watch(spec: Spec, child: int, status: int, *, namespaced: bool) -> None:
    """Reap until the job itself is over. The disk is measured here where no tmpfs bounds it."""
    while True:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    code = os.waitstatus_to_exitcode(ended[1])
                    report(status, {"exit": code} if code >= 0 else {"signal": -code})
                    return
        if not namespaced and fills_disk(spec):
            report(status, {"signal": int(signal.SIGKILL)})
            return
        caught = signal.sigtimedwait([signal.SIGCHLD, signal.SIGTERM], WATCH_SECONDS)
        if caught and caught.si_signo == signal.SIGTERM:
            report(status, {"signal": int(signal.SIGKILL)})
            return


def inside_namespaces(spec: Spec, status: int) -> NoReturn:
    """Process 1: when it ends, the kernel ends everybody else."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        build_root(spec)
        drop_privileges(spec["account"])
        prctl(PR_SET_DUMPABLE, 0)
        child = os.fork()
        if child == 0:
            become_job(spec, status)
        watch(spec, child, status, namespaced=True)
    except OSError as error:
        report(status, {"error": str(error)})
    os._exit(0)


def main() -> None:
    with open(int(sys.argv[1]), "rb") as file:
        spec = json.loads(file.read())
    result, status = spec["result"], spec["status"]
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # what we keep moves out of the way first: either may be number 3 already
    high = max(status, result, 9) + 1
    os.dup2(status, high, inheritable=False)
    os.dup2(result, high + 1, inheritable=False)
    os.dup2(high + 1, 3)
    os.closerange(4, high)
    os.closerange(high + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    # blocked before anything is started, so that neither a child's end nor the clock is missed
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
    status = high
    try:
        if spec["mode"] == "namespaces":
            enter_namespaces(spec)
            child = os.fork()
            if child == 0:
                inside_namespaces(spec, status)
            os.waitpid(child, 0)
            return
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        child = os.fork()
        if child == 0:
            become_job(spec, status)
        watch(spec, child, status, namespaced=False)
        end_family(spec["account"])
    except OSError as error:
        report(status, {"error": str(error)})


if __name__ == "__main__":
    main()
    os._exit(0)

"""The first process of the ``linux`` backend: it builds the sandbox around itself and becomes the job.

In the mode ``command`` it confines a program of the host instead, one that reads what strangers send, see
``become_command``.

A fresh interpreter, started as ``python -I -S launcher.py <descriptor>`` with an empty environment. The
descriptor yields one JSON object, which ``gates.sandbox.linux`` builds:

- ``mode``: ``namespaces`` or ``landlock``; ``account``: uid and gid of the job, or null for those of this
  process;
- ``root``: an empty folder for the new tree; ``binds``: (source, place) shown read-only; ``links``: (target,
  name);
- ``source``: the working directory; ``tmp`` and ``tmp_bytes``: the only writable folder and its size;
- ``loopback``: whether the job may connect to itself over IPv4;
- ``readable`` and ``devices``: what Landlock leaves open; ``limits``: (number, value) for setrlimit;
  ``filter``: the system call filter in base64; ``argv`` and ``environment`` of the job;
- ``result`` and ``status``: descriptors to write to.

The steps: enter namespaces (or only prepare Landlock), build the tree, give up every privilege, fork, limit
and filter the child, let it become the job, and watch it. On ``status`` it writes one JSON object: ``{"exit":
n}``, ``{"signal": n}``, or ``{"error": text}`` when the sandbox cannot be built; then nothing was run.

It imports no module of the project, so that it starts in milliseconds and also runs from a copy. System call
numbers and structures come from the kernel's uapi headers.
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

# clone(2)
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
# mount(2), umount(2), mount_setattr(2)
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH, AT_FDCWD, AT_RECURSIVE = 2, -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
# socket(2), netdevice(7)
AF_INET, SOCK_DGRAM, SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 2, 2, 0x8914, 1, 64
LANDLOCK_PATH, LANDLOCK_PORT, CONNECT_RIGHT = 1, 2, 2
# prctl(2), capset(2), seccomp(2)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
SECCOMP_MODE_FILTER, LAST_CAPABILITY, CAPABILITY_VERSION_3 = 2, 63, 0x20080522
# Calls that libc has no function for; their numbers are the same on every machine, except the last two.
MOUNT_SETATTR, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 442, 444, 445, 446
PIVOT_ROOT, CAPSET = {"x86_64": (155, 126), "aarch64": (41, 91)}.get(os.uname().machine, (-1, -1))
# landlock(7): the number of rights on files by version; what fits a file (execute, write, read, truncate,
# device ioctl); what reading takes (execute, read a file, list a folder).
RIGHTS_COUNT, NEWEST_RIGHTS_COUNT = {1: 13, 2: 14, 3: 15, 4: 15}, 16
FILE_RIGHTS = 0b1100000000000111
READ_RIGHTS = 0b1101
DEVICE_RIGHTS = 0b110
EXECUTE_RIGHT, MAKE_DEVICES_RIGHTS = 1, 1 << 6 | 1 << 11
WATCH_SECONDS = 0.05
SWEEP_SECONDS = 2.0
INODES = 16384

libc = ctypes.CDLL(None, use_errno=True)


def check_call(result: int, what: str) -> int:
    """``result`` of a system call; raises ``OSError`` that says ``what`` failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call_prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    check_call(libc.prctl(option, *padded), f"prctl {option}")


def mount_filesystem(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    code = libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    check_call(code, f"mount {target}")


def set_attributes(path: str, attributes: int, flags: int) -> None:
    """Change a mount after the fact: a bind takes its flags from its source."""
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    arguments = (AT_FDCWD, path.encode(), flags, request, ctypes.c_size_t(len(request)))
    check_call(libc.syscall(MOUNT_SETATTR, *arguments), f"mount_setattr {path}")


# --- namespaces


def become_user(account: list[int]) -> None:
    # Groups first: without root's powers they could not be changed any more.
    os.setgroups([])
    os.setresgid(account[1], account[1], account[1])
    os.setresuid(account[0], account[0], account[0])


def enter_namespaces(spec: Spec) -> None:
    """Enter new namespaces for the job.

    Root needs no user namespace where it may make the others. Every other user, and a root without powers,
    gets one.
    """
    enter_new(spec, NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET)


def enter_new(spec: Spec, others: int) -> None:
    """Enter new namespaces of the kinds ``others``."""
    if spec["account"]:
        if libc.unshare(others) == 0:
            return
        become_user(spec["account"])
        spec["account"] = None
    inside, uid, gid = spec["inside_id"], os.geteuid(), os.getegid()
    # After a change of user, /proc/self belongs to root until this.
    call_prctl(PR_SET_DUMPABLE, 1)
    check_call(libc.unshare(NEWUSER), "user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {uid} 1"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    check_call(libc.unshare(others), "namespaces")


def bind_path(source: str, target: str) -> None:
    """``source`` read-only at ``target``, with everything mounted below it."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    mount_filesystem(source, target, "", MS_BIND | MS_REC)


def build_root(spec: Spec) -> None:
    """A tree of our own in place of the host's.

    Must run as process 1 of the new process namespace, for /proc.
    """
    os.umask(0o022)
    # Nothing that is mounted from here on shows up on the host.
    mount_filesystem("none", "/", "", MS_REC | MS_PRIVATE)
    root = spec["root"]
    mount_filesystem("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=4096,mode=755")
    for target, name in spec["links"]:
        os.symlink(target, root + name)
    for device in spec["devices"]:
        bind_path(device, root + device)
    os.symlink("/tmp", root + "/dev/shm")  # noqa: S108 (the job's own)
    os.mkdir(root + "/tmp")  # noqa: S108
    owner = spec["account"] or [spec["inside_id"]] * 2
    options = f"size={spec['tmp_bytes']},nr_inodes={INODES},mode=700,uid={owner[0]},gid={owner[1]}"
    mount_filesystem("tmpfs", root + "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)  # noqa: S108
    # After /tmp: one of them may be in the host's /tmp.
    for source, name in spec["binds"]:
        bind_path(source, root + name)
        set_attributes(root + name, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, AT_RECURSIVE)
    os.mkdir(root + "/proc")
    # A container that hides parts of its own /proc cannot mount a new one: then the job has none.
    with contextlib.suppress(OSError):
        mount_filesystem("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid")
    os.chdir(root)
    # See pivot_root(2): with "." twice the old tree ends up on top of the new one, from where it is taken
    # off.
    check_call(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    check_call(libc.umount2(b".", MNT_DETACH), "leave the host's tree")
    os.chdir("/")
    set_attributes("/", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, 0)
    libc.sethostname(b"sandbox", 7)


def start_loopback() -> None:
    """Bring up the loopback of the new network, see netdevice(7). Nothing else is in it."""
    descriptor = check_call(libc.socket(AF_INET, SOCK_DGRAM, 0), "socket for the loopback")
    request = ctypes.create_string_buffer(struct.pack("=16sh22x", b"lo", IFF_UP | IFF_RUNNING))
    check_call(libc.ioctl(descriptor, ctypes.c_ulong(SIOCSIFFLAGS), request), "start the loopback")
    os.close(descriptor)


# --- Landlock


def find_landlock_version() -> int:
    """The kernel's Landlock ABI, 0 when it has none."""
    return max(0, int(libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)))


def restrict_files(
    readable: list[str], writable: list[str], devices: list[str], ports: list[int] | None
) -> int:
    """Deny every file but these to this process and its children for good, and connections by TCP to other
    ports than ``ports``; to none where that is ``None``. Returns the ABI used.
    """
    version = find_landlock_version()
    if version < 1:
        raise OSError(f"Landlock: this kernel has none (error {ctypes.get_errno()})")
    rights = (1 << RIGHTS_COUNT.get(version, NEWEST_RIGHTS_COUNT)) - 1
    # Each version knows more of the structure: files, then the network (4), then signals and abstract sockets
    # (6).
    known_fields = 1
    if version >= 4:
        known_fields = 2
    if version >= 6:
        known_fields = 3
    connecting = 0 if ports is None else 0b11
    attributes = struct.pack("=QQQ", rights, connecting, 0b11)[: 8 * known_fields]
    arguments = (attributes, ctypes.c_size_t(len(attributes)), 0)
    rules = check_call(libc.syscall(LANDLOCK_CREATE, *arguments), "Landlock ruleset")
    write_rights = rights & ~MAKE_DEVICES_RIGHTS & ~EXECUTE_RIGHT
    for paths, allowed in ((readable, READ_RIGHTS), (writable, write_rights), (devices, DEVICE_RIGHTS)):
        for path in paths:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            # The kernel refuses a rule that gives a file the rights of a folder.
            fitting = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & FILE_RIGHTS
            rule = struct.pack("=Qi", allowed & fitting, descriptor)
            added = libc.syscall(LANDLOCK_ADD, rules, LANDLOCK_PATH, rule, 0)
            check_call(added, f"Landlock rule for {path}")
            os.close(descriptor)
    for port in (ports or []) if version >= 4 else []:
        rule = struct.pack("=QQ", CONNECT_RIGHT, port)
        check_call(
            libc.syscall(LANDLOCK_ADD, rules, LANDLOCK_PORT, rule, 0), f"Landlock rule for port {port}"
        )
    check_call(libc.syscall(LANDLOCK_RESTRICT, rules, 0), "Landlock")
    os.close(rules)
    return version


# --- the job's process


def drop_privileges(account: list[int] | None) -> None:
    for capability in range(LAST_CAPABILITY + 1):
        # Refused where there is nothing to drop.
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    if account:
        become_user(account)
    libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header, nothing = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)
    check_call(libc.syscall(CAPSET, header, nothing), "drop capabilities")
    call_prctl(PR_SET_NO_NEW_PRIVS, 1)


def filter_calls(code: bytes) -> None:
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    buffer = ctypes.create_string_buffer(program, len(program))
    call_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(buffer))


def restore_signals() -> None:
    """As the kernel gives them. Python ignores some, and that is inherited."""
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def become_job(spec: Spec, status: int) -> NoReturn:
    """Give up everything, then run the job.

    Everything that fails before that is reported, never run without it.
    """
    try:
        os.setsid()
        call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        namespaced = spec["mode"] == "namespaces"
        if not namespaced:
            drop_privileges(spec["account"])
        os.chdir(spec["source"])
        if not namespaced or find_landlock_version():
            ports: list[int] | None = None if spec["loopback"] else []
            restrict_files(spec["readable"], [spec["tmp"]], spec["devices"], ports)
        for number, value in spec["limits"]:
            resource.setrlimit(number, (value, value))
        restore_signals()
        # Last: the filter refuses calls that the steps above need.
        filter_calls(binascii.a2b_base64(spec["filter"]))
        os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 (a shell is what we avoid)
    except OSError as error:
        report_status(status, {"error": str(error)})
    os._exit(126)


# --- the watcher


def report_status(status: int, what: dict[str, Any]) -> None:
    os.write(status, json.dumps(what).encode())


def list_descendants(own: int) -> set[int]:
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


def measure_folder(path: str) -> int:
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
            # Too deep, or closed to this process: made to hide something.
            return sys.maxsize
    return total


def measure_unlinked_files(processes: set[int]) -> int:
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


def end_descendants(account: list[int] | None) -> None:
    """Kill every descendant.

    All at once by user where the job has one of its own; else stop all first, so that none forks.
    """
    if account:
        killer = os.fork()
        if killer == 0:
            become_user(account)
            with contextlib.suppress(OSError):
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        seen: set[int] = set()
        while fresh := list_descendants(os.getpid()) - seen:
            for pid in fresh:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
            seen |= fresh
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def fills_disk(spec: Spec) -> bool:
    allowed: int = spec["tmp_bytes"]
    return measure_folder(spec["tmp"]) + measure_unlinked_files(list_descendants(os.getpid())) > allowed


def watch_job(spec: Spec, child: int, status: int, *, namespaced: bool) -> None:
    """Reap until the job itself is over. The disk is measured here where no tmpfs bounds it."""
    while True:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    code = os.waitstatus_to_exitcode(ended[1])
                    report_status(status, {"exit": code} if code >= 0 else {"signal": -code})
                    return
        if not namespaced and fills_disk(spec):
            report_status(status, {"signal": int(signal.SIGKILL)})
            return
        caught = signal.sigtimedwait([signal.SIGCHLD, signal.SIGTERM], WATCH_SECONDS)
        if caught and caught.si_signo == signal.SIGTERM:
            report_status(status, {"signal": int(signal.SIGKILL)})
            return


def inside_namespaces(spec: Spec, status: int) -> NoReturn:
    """Process 1: when it ends, the kernel ends everybody else."""
    try:
        call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        build_root(spec)
        if spec["loopback"]:
            start_loopback()
        drop_privileges(spec["account"])
        call_prctl(PR_SET_DUMPABLE, 0)
        child = os.fork()
        if child == 0:
            become_job(spec, status)
        watch_job(spec, child, status, namespaced=True)
    except OSError as error:
        report_status(status, {"error": str(error)})
    os._exit(0)


# --- a command of the host


def open_door(port: int, channel: int) -> None:
    """Listen at ``port`` of this network, and send the socket to the other end of ``channel``."""
    import socket  # noqa: PLC0415 - jobs start without it

    with socket.create_server(("127.0.0.1", port)) as door, socket.socket(fileno=channel) as taker:
        socket.send_fds(taker, [b"door"], [door.fileno()])


def become_command(spec: Spec) -> NoReturn:
    """Confine this process, and become ``argv``, with the standard descriptors as they are.

    - ``own_network``: it has a network in which nobody else is. With ``port``, connections to that port of
      127.0.0.1 are taken by the holder of the other end of the descriptor ``channel``. Without a network of
      its own it may connect to ``ports`` only, where the kernel can see to that.
    - ``readable``, ``writable`` and ``devices`` are the files that are left, where the kernel has Landlock.
    - ``account``: as for a job.
    """
    call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if spec["own_network"]:
        enter_new(spec, NEWNET)
        start_loopback()
        if spec["port"]:
            open_door(spec["port"], spec["channel"])
    drop_privileges(spec["account"])
    # The kernel forgets this with a change of user.
    call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if find_landlock_version():
        ports = None if spec["own_network"] else spec["ports"]
        restrict_files(spec["readable"], spec["writable"], spec["devices"], ports)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    restore_signals()
    os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 (a shell is what we avoid)


def main() -> None:
    """Read the specification, set up the descriptors and run the job in the mode that it names."""
    with open(int(sys.argv[1]), "rb") as file:
        spec = json.loads(file.read())
    if spec["mode"] == "command":
        become_command(spec)
    result, status = spec["result"], spec["status"]
    call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The two move out of the way first: either may be number 3 already, which is the job's place for its
    # result.
    high = max(status, result, 9) + 1
    os.dup2(status, high, inheritable=False)
    os.dup2(result, high + 1, inheritable=False)
    os.dup2(high + 1, 3)
    os.closerange(4, high)
    os.closerange(high + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    # Blocked before anything is started, so that neither a child's end nor the order to stop is missed.
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
        call_prctl(PR_SET_CHILD_SUBREAPER, 1)
        child = os.fork()
        if child == 0:
            become_job(spec, status)
        watch_job(spec, child, status, namespaced=False)
        end_descendants(spec["account"])
    except OSError as error:
        report_status(status, {"error": str(error)})


if __name__ == "__main__":
    main()
    os._exit(0)

"""The system call filter of both backends, assembled here as classic BPF (see seccomp(2), linux/seccomp.h).

Known dangerous calls are refused, and so is every call that is newer than the table below: a kernel that
grows a new way out does not open it to jobs. ``socketpair`` stays for AF_UNIX (event loops wake themselves up
with one); ``socket`` does not.
"""

import errno
import platform
import struct

# Operations: load a word, jump if equal, if greater, if a bit is set; return.
_LD_ABS, _JEQ, _JGT, _JSET, _RET = 0x20, 0x15, 0x25, 0x45, 0x06
# Verdicts; the error's number is added to the last.
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# Offsets in struct seccomp_data; of a 64-bit argument the lower word.
_NR, _ARCH, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_NEWEST_KNOWN = 450
_X32_BIT = 0x40000000
_AF_UNIX, _AF_INET = 1, 2
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET together.
_NAMESPACE_FLAGS = 0x7E020080
# TIOCSTI and TIOCLINUX put characters into a terminal as if they were typed.
_TERMINAL_INJECTION = (0x5412, 0x541C)

# Name to the call's number: (x86_64, aarch64); None where the architecture has no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    # file systems and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "fanotify_init": (300, 262),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    # memory that no rlimit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "mlockall": (151, 230),
    # the kernel's own programmable parts
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    # the machine
    "reboot": (169, 142),
    "syslog": (103, 116),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "lookup_dcookie": (212, 18),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
}
# Refused where a job has no network of its own.
_SOCKET = (41, 198)
_NETWORK: dict[str, tuple[int | None, int | None]] = {
    "socket": _SOCKET,
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept4": (288, 242),
}
_CLONE, _CLONE3, _IOCTL, _SOCKETPAIR = (56, 220), (435, 435), (16, 29), (53, 199)
# A first argument of 0 is the caller itself; a job must not reach other processes of the same user.
_SELF_ONLY = {
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
}
_PRCTL, _PR_SET_DUMPABLE, _PR_SET_PTRACER = (157, 167), 4, 0x59616D61
# For a job that shares its user with the worker: Landlock guards what files hold, not their owners, modes and
# times.
_METADATA = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = tuple(_AUDIT_ARCH)


def _instruction(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    """One ``struct sock_filter``. Jumps count the instructions to skip."""
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def _refuse_call(number: int, error: int = errno.EPERM) -> list[bytes]:
    return [_instruction(_JEQ, number, 0, 1), _instruction(_RET, _ERRNO | error)]


_DENY = _instruction(_RET, _ERRNO | errno.EPERM)
_LOAD_NUMBER = _instruction(_LD_ABS, _NR)
_LOAD_FIRST_ARGUMENT = _instruction(_LD_ABS, _FIRST_ARGUMENT)
_LOAD_SECOND_ARGUMENT = _instruction(_LD_ABS, _SECOND_ARGUMENT)


def _when_called(number: int, test: list[bytes]) -> list[bytes]:
    """Run ``test``, which loads an argument and may return, on one call; then load its number again."""
    return [_instruction(_JEQ, number, 0, len(test) + 1), *test, _LOAD_NUMBER]


def _deny_value(value: int) -> list[bytes]:
    """Deny when the loaded argument is ``value``."""
    return [_instruction(_JEQ, value, 0, 1), _DENY]


def _deny_other_than(value: int) -> list[bytes]:
    """Deny when the loaded argument is not ``value``."""
    return [_instruction(_JEQ, value, 1, 0), _DENY]


def assemble_filter(machine: str = "", *, shares_user: bool = False, loopback: bool = False) -> bytes:
    """The filter for ``machine`` (default: this one) as an array of ``struct sock_filter``.

    ``shares_user``: the job runs as this process's user, with no namespace between. ``loopback``: it has a
    network of its own, and may use IPv4 there. Raises ``KeyError`` for a machine that is not in ``MACHINES``.
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        raise KeyError(machine)
    column = MACHINES.index(machine)
    refused = [*REFUSED.values()]
    if not loopback:
        refused += _NETWORK.values()
    if shares_user:
        refused += _METADATA.values()
    code = [*_check_architecture(machine), *_check_arguments(column)]
    code += _when_called(_SOCKET[column], [_LOAD_FIRST_ARGUMENT, *_deny_other_than(_AF_INET)])
    for numbers in refused:
        number = numbers[column]
        if number is not None:
            code += _refuse_call(number)
    return b"".join([*code, _instruction(_RET, _ALLOW)])


def _check_architecture(machine: str) -> list[bytes]:
    """Kill calls by another architecture's numbers; refuse what is newer than the tables."""
    code = [
        _instruction(_LD_ABS, _ARCH),
        _instruction(_JEQ, _AUDIT_ARCH[machine], 1, 0),
        _instruction(_RET, _KILL),
        _LOAD_NUMBER,
    ]
    if machine == "x86_64":
        # x32 calls have the same architecture and other numbers.
        code += [_instruction(_JSET, _X32_BIT, 0, 1), _instruction(_RET, _KILL)]
    # ENOSYS, so that a libc that tries a new call first falls back to an old one.
    code += [_instruction(_JGT, _NEWEST_KNOWN, 0, 1), _instruction(_RET, _ERRNO | errno.ENOSYS)]
    return code


def _check_arguments(column: int) -> list[bytes]:
    """Calls that are refused for some arguments only."""
    # clone3 hides its flags behind a pointer that a filter cannot follow; libc falls back to clone.
    code = _refuse_call(_CLONE3[column], errno.ENOSYS)
    new_namespace = [_LOAD_FIRST_ARGUMENT, _instruction(_JSET, _NAMESPACE_FLAGS, 0, 1), _DENY]
    code += _when_called(_CLONE[column], new_namespace)
    code += _when_called(_SOCKETPAIR[column], [_LOAD_FIRST_ARGUMENT, *_deny_other_than(_AF_UNIX)])
    injection = [_LOAD_SECOND_ARGUMENT]
    for request in _TERMINAL_INJECTION:
        injection += _deny_value(request)
    code += _when_called(_IOCTL[column], injection)
    for numbers in _SELF_ONLY.values():
        code += _when_called(numbers[column], [_LOAD_FIRST_ARGUMENT, *_deny_other_than(0)])
    # A process that is not dumpable hides from the watcher; a tracer of its choice may read its memory.
    hiding = [_LOAD_FIRST_ARGUMENT, *_deny_value(_PR_SET_DUMPABLE), *_deny_value(_PR_SET_PTRACER)]
    return code + _when_called(_PRCTL[column], hiding)

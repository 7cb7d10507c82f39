"""The system call filter of both backends, assembled here as classic BPF (see seccomp(2), linux/seccomp.h).

Known dangerous calls are refused, and so is every call that is newer than the table below: a kernel that
grows a new way out does not open it to jobs. ``socketpair`` stays for AF_UNIX (event loops wake themselves up
with one); ``socket`` does not.
"""

import errno
import platform
import struct

_LD_ABS, _JEQ, _JGT, _JSET, _RET = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARGUMENT = 0, 4, 16
_NEWEST_KNOWN = 450
_X32_BIT = 0x40000000
_AF_UNIX = 1
_NAMESPACE_FLAGS = (
    0x7E020080  # CLONE_NEWTIME | NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
)
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

# name: (x86_64, aarch64); None where the architecture has no such call
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # network
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept4": (288, 242),
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
_CLONE, _CLONE3, _IOCTL, _SOCKETPAIR = (56, 220), (435, 435), (16, 29), (53, 199)
# first argument 0 is the caller itself; other processes of the same user are not a job's business
_SELF_ONLY = {
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
}
_PRCTL, _PR_SET_DUMPABLE, _PR_SET_PTRACER = (157, 167), 4, 0x59616D61
# where a job shares its user with us: Landlock guards what files hold, not who owns them or when they were
# changed
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


def _op(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def _refuse(number: int, error: int = errno.EPERM) -> list[bytes]:
    return [_op(_JEQ, number, 0, 1), _op(_RET, _ERRNO | error)]


def _when(number: int, test: list[bytes]) -> list[bytes]:
    """Run ``test`` on the call ``number``; it loads an argument, may return, and the call number is loaded again behind it."""
    return [_op(_JEQ, number, 0, len(test) + 1), *test, _op(_LD_ABS, _NR)]


def assemble_filter(machine: str = "", *, shares_user: bool = False) -> bytes:
    """The filter for ``machine`` (default: this one) as an array of ``struct sock_filter``.

    Raises ``KeyError`` for others.

    ``shares_user``: the job runs as the user that we are, with no namespace between.
    """
    machine = machine or platform.machine()
    column = MACHINES.index(machine) if machine in MACHINES else None
    if column is None:
        raise KeyError(machine)
    deny = _op(_RET, _ERRNO | errno.EPERM)
    code = [_op(_LD_ABS, _ARCH), _op(_JEQ, _AUDIT_ARCH[machine], 1, 0), _op(_RET, _KILL), _op(_LD_ABS, _NR)]
    if machine == "x86_64":
        code += [_op(_JSET, _X32_BIT, 0, 1), _op(_RET, _KILL)]
    code += [_op(_JGT, _NEWEST_KNOWN, 0, 1), _op(_RET, _ERRNO | errno.ENOSYS)]
    # clone3 hides its flags behind a pointer that a filter cannot follow; libc falls back to clone
    code += _refuse(_CLONE3[column], errno.ENOSYS)
    code += _when(_CLONE[column], [_op(_LD_ABS, _ARGUMENT), _op(_JSET, _NAMESPACE_FLAGS, 0, 1), deny])
    code += _when(_SOCKETPAIR[column], [_op(_LD_ABS, _ARGUMENT), _op(_JEQ, _AF_UNIX, 1, 0), deny])
    injection = [_op(_LD_ABS, _ARGUMENT + 8)]
    for request in _TERMINAL_INJECTION:
        injection += [_op(_JEQ, request, 0, 1), deny]
    code += _when(_IOCTL[column], injection)
    for numbers in _SELF_ONLY.values():
        code += _when(numbers[column], [_op(_LD_ABS, _ARGUMENT), _op(_JEQ, 0, 1, 0), deny])
    hiding = [
        _op(_LD_ABS, _ARGUMENT),
        _op(_JEQ, _PR_SET_DUMPABLE, 0, 1),
        deny,
        _op(_JEQ, _PR_SET_PTRACER, 0, 1),
        deny,
    ]
    code += _when(_PRCTL[column], hiding)
    for numbers in [*REFUSED.values(), *(_METADATA.values() if shares_user else ())]:
        number = numbers[column]
        if number is not None:
            code += _refuse(number)
    return b"".join([*code, _op(_RET, _ALLOW)])

import ctypes
import json
import os
import sys

known = json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)
through = []


def tried(what, action):
    """Note ``what`` when ``action`` gets through; an error or a false answer is what the sandbox owes us."""
    try:
        answer = action()
    except BaseException:
        return
    if answer is not None and answer is not False:
        through.append(f"{what}: {str(answer)[:200]}")


def call(number, *arguments):
    """A raw system call: its result, or ``False`` when the kernel refused."""
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return result if result >= 0 else False


def read(path):
    with open(path, "rb") as file:
        return file.read(4096)


def x86():
    return os.uname().machine == "x86_64"


def finish():
    os.write(3, "; ".join(through).encode()[:4096] or b"held")

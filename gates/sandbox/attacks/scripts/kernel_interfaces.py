scratch = ctypes.create_string_buffer(256)
calls = {
    "io_uring_setup": (425, 425, 4),
    "bpf": (321, 280, 0),
    "userfaultfd": (323, 282, 1),
    "perf": (298, 241),
    "keyctl": (250, 219),
}
calls |= {"add_key": (248, 217), "process_madvise": (440, 440), "fanotify": (300, 262), "name_to_handle": (303, 264)}
EPERM, ENOSYS = 1, 38
for name, (intel, arm, *arguments) in calls.items():
    ctypes.set_errno(0)
    got = libc.syscall(ctypes.c_long(intel if x86() else arm), *[ctypes.c_long(a) for a in arguments], scratch, 0, 0, 0)
    # any other error means that the kernel began to look at the arguments: the call itself was open
    if got >= 0 or ctypes.get_errno() not in (EPERM, ENOSYS):
        through.append(f"{name} answered {got}, error {ctypes.get_errno()}")
for number in (451, 454, 457, 462, 463, 467):
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), ctypes.c_long(-1), 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (EPERM, ENOSYS):
        through.append(f"call {number} was let through")

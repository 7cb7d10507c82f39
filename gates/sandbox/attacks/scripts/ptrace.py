number = 101 if x86() else 117
child = os.fork()
if child == 0:
    os._exit(0 if libc.ptrace(0, 0, 0, 0) == 0 else 1)
tried("be traced", lambda: True if os.waitstatus_to_exitcode(os.waitpid(child, os.WUNTRACED)[1]) == 0 else None)
for pid in (os.getppid(), known["victim"], known["worker"]):
    tried(f"attach to {pid}", lambda pid=pid: call(number, 0x4206, pid, 0, 0))
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 64)
tried("read memory", lambda: call(310 if x86() else 270, os.getpid(), vector, 1, vector, 1, 0))

import subprocess

tried("root already", lambda: True if os.geteuid() == 0 or os.getegid() == 0 else None)
tried("setuid 0", lambda: os.setuid(0) is None)
tried("setresuid 0", lambda: os.setresuid(0, 0, 0) is None)
tried("setgroups", lambda: os.setgroups([0]) is None)
tried("groups", lambda: [g for g in os.getgroups() if g != os.getgid()] or None)
header, data = (ctypes.c_uint * 2)(0x20080522, 0), (ctypes.c_uint * 6)()
if call(125 if x86() else 90, header, data) is False or any(data):
    through.append(f"capabilities {list(data)}")
if libc.prctl(39, 0, 0, 0, 0) != 1:
    through.append("may gain privileges")
for program in ("/usr/bin/su", "/usr/bin/sudo", "/bin/mount", "/usr/bin/passwd", "/usr/bin/newuidmap", "/bin/sh"):
    tried(program, lambda program=program: subprocess.run([program, "--help"], capture_output=True).args)

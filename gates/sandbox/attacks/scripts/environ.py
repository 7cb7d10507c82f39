tried("own", lambda: os.environ.get(known["mark"]))
expected = {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE", "PWD", "LC_CTYPE", "LD_LIBRARY_PATH"}
tried("more than we gave", lambda: sorted(set(os.environ) - expected) or None)
try:
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    pids = []
for pid in {*pids, "1", str(known["worker"]), str(known["victim"])}:
    if pid != str(os.getpid()):
        tried(f"of {pid}", lambda pid=pid: known["mark"] if known["mark"].encode() in read(f"/proc/{pid}/environ") else None)

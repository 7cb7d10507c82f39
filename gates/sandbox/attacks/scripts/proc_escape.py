for pid in (1, os.getppid(), known["worker"], known["victim"]):
    for name in ("root/etc/passwd", "cwd/manage.py", "mem", "root" + known["secret_file"]):
        tried(f"/proc/{pid}/{name}", lambda pid=pid, name=name: read(f"/proc/{pid}/{name}"))
tried("/proc/kcore", lambda: read("/proc/kcore"))
tried("/proc/kmsg", lambda: read("/proc/kmsg"))


def files_of(pid):
    """What another process has open, but for the pipes that it shares with us and nameless things."""
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    return [link for link in links if not link.startswith(("pipe:", "anon_inode:"))] or None


for pid in (1, os.getppid(), known["worker"], known["victim"]):
    tried(f"files of {pid}", lambda pid=pid: files_of(pid))

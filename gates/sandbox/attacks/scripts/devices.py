import fcntl
import stat

tmp = os.environ["TMPDIR"]
tried("make a block device", lambda: os.mknod(tmp + "/disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0)) is None)
tried("make a character device", lambda: os.mknod(tmp + "/mem", 0o600 | stat.S_IFCHR, os.makedev(1, 1)) is None)
for name in ("mem", "kmsg", "kvm", "fuse", "vda", "sda", "net/tun", "tty", "console", "ptmx", "port"):
    tried("/dev/" + name, lambda name=name: os.open("/dev/" + name, os.O_RDONLY))
for request in (0x5412, 0x541C):
    for number in range(3):
        tried(f"terminal {request:x}", lambda n=number, r=request: fcntl.ioctl(n, r, b"x") and True)

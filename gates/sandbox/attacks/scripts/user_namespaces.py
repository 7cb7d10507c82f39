clone, unshare, setns = (56, 272, 308) if x86() else (220, 97, 268)
flags = {"user": 0x10000000, "mount": 0x20000, "process": 0x20000000, "network": 0x40000000, "user and mount": 0x10020000}
flags |= {"time": 0x80, "cgroup": 0x2000000}
for name, flag in flags.items():
    tried(f"unshare {name}", lambda flag=flag: call(unshare, flag))


def cloned(flag):
    child = call(clone, flag | 17, 0, 0, 0, 0)
    if child is not False and child == 0:
        os._exit(0)
    return child


for name, flag in flags.items():
    tried(f"clone {name}", lambda flag=flag: cloned(flag))


def cloned_3():
    arguments = (ctypes.c_ulonglong * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0)
    child = call(435, arguments, 64)
    if child is not False and child == 0:
        os._exit(0)
    return child


tried("clone3 user", cloned_3)
for pid in (1, known["worker"]):
    for kind in ("user", "mnt", "net", "pid"):
        tried(f"enter {kind} of {pid}", lambda p=pid, k=kind: call(setns, os.open(f"/proc/{p}/ns/{k}", os.O_RDONLY), 0))

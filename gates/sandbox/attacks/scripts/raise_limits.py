import resource

for name in ("NPROC", "AS", "FSIZE", "NOFILE", "CPU", "CORE", "MEMLOCK", "MSGQUEUE", "STACK"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        through.append(f"{name} is unlimited")
    tried("raise " + name, lambda n=number, h=hard: resource.setrlimit(n, (h + 1, h + 1)) is None)
tried("mlockall", lambda: call(151 if x86() else 230, 3))

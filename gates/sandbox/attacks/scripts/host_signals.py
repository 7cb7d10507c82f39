import resource
import signal

for pid in (known["victim"], known["worker"]):
    tried(f"signal 0 to {pid}", lambda pid=pid: os.kill(pid, 0) is None)
    tried(f"limits of {pid}", lambda pid=pid: resource.prlimit(pid, resource.RLIMIT_NOFILE))
    tried(f"priority of {pid}", lambda pid=pid: os.setpriority(os.PRIO_PROCESS, pid, 19) is None)
    tried(f"processors of {pid}", lambda pid=pid: os.sched_setaffinity(pid, {0}) is None)
    tried(f"handle on {pid}", lambda pid=pid: signal.pidfd_send_signal(os.pidfd_open(pid), 0) is None)

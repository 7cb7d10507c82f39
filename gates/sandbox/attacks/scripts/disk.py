import time

LIMIT, written = 64 << 20, 0
for turn, place in enumerate((os.environ["TMPDIR"], "/tmp", "/dev/shm", "/dev", "/var/tmp", "/run", "/work", "/", os.getcwd())):
    for number in range(32):
        try:
            with open(f"{place}/fill-{turn}-{number}", "wb", buffering=0) as file:
                while written < LIMIT:
                    written += file.write(bytes(1 << 20))
                os.fsync(file.fileno())
        except OSError:
            continue
# long enough for a watcher, where there is one instead of a sized file system
time.sleep(0.5)
os.write(3, str(written).encode())
os._exit(0)

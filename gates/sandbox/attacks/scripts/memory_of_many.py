import time

CHILDREN, SIZE = 8, 40 << 20
ready, told = os.pipe()
children = []
for _ in range(CHILDREN):
    child = os.fork()
    if child == 0:
        block = bytearray(b"x") * SIZE
        os.write(told, b"1")
        time.sleep(60)
        os._exit(len(block) & 1)
    children.append(child)
os.close(told)
deadline = time.monotonic() + 5
while time.monotonic() < deadline and os.waitpid(-1, os.WNOHANG)[0] == 0:
    time.sleep(0.05)
if time.monotonic() >= deadline:
    os.write(3, f"got {CHILDREN * SIZE >> 20} MiB in {CHILDREN} processes".encode())
os._exit(0)

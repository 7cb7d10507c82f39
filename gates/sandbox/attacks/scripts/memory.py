import time

blocks = []
for _ in range(64):
    blocks.append(bytearray(b"x") * (8 << 20))
time.sleep(1)
os.write(3, f"got {len(blocks) * 8} MiB".encode())
os._exit(0)

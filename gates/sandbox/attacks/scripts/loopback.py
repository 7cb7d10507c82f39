import socket

for address in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
    tried(address, lambda address=address: socket.create_connection((address, known["port"]), 2).fileno())
pair = socket.socketpair()


def redirected():
    target = b"\x02\x00" + known["port"].to_bytes(2, "big") + b"\x7f\x00\x00\x01" + bytes(8)
    return True if libc.connect(pair[0].fileno(), target, 16) == 0 else None


tried("a pair made to connect", redirected)

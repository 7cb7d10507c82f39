import socket

for family in range(1, 47):
    for kind in (1, 2, 3, 5):
        for protocol in (0, 1, 255):
            tried(f"family {family} kind {kind}", lambda f=family, k=kind, p=protocol: socket.socket(f, k, p).fileno())
tried("socketpair of another family", lambda: socket.socketpair(30, 1, 0))
through = through[:5]

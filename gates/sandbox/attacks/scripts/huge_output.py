import threading


def flood(number):
    try:
        for _ in range(200):
            os.write(number, b"x" * 65536)
    except OSError:
        pass


threads = [threading.Thread(target=flood, args=(number,)) for number in (1, 2, 3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os._exit(0)

import time

made = 0
while made < 400:
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        time.sleep(60)
        os._exit(0)
    made += 1
os.write(3, str(made).encode())
os._exit(0)

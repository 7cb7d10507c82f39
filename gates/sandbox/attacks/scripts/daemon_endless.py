import time

ready, told = os.pipe()
os.set_inheritable(told, True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        code = f"import os, time; os.write({told}, b'1'); time.sleep(600)"
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", code, known["daemon"]])
    os._exit(0)
os.close(told)
os.write(3, b"started" if os.read(ready, 1) else b"")
while True:
    time.sleep(1)

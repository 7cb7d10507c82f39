import time

for number in range(4):
    os.close(number)
time.sleep(600)

import stat

result = os.fstat(3)
for number in range(4, 4096):
    try:
        found = os.fstat(number)
    except OSError:
        continue
    # the shell that starts bubblewrap leaves the result's pipe open twice: the same pipe, nothing new
    if (found.st_dev, found.st_ino) != (result.st_dev, result.st_ino):
        through.append(f"descriptor {number}, mode {stat.filemode(found.st_mode)}")

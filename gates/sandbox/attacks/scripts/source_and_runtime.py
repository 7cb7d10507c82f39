import pytest

stdlib = os.path.dirname(os.__file__)
places = [
    os.getcwd(),
    os.path.dirname(sys.executable),
    stdlib,
    os.path.dirname(pytest.__file__),
    "/",
    "/usr/lib",
    "/work",
    "/dev",
    "/etc",
]
for place in places:
    tried("new file in " + place, lambda place=place: os.open(place + "/planted", os.O_CREAT | os.O_WRONLY))
    tried("new folder in " + place, lambda place=place: os.mkdir(place + "/planted-folder") is None)
for path in ("honest.py", "attack.py", sys.executable, os.__file__, pytest.__file__):
    tried("open " + path, lambda path=path: os.open(path, os.O_WRONLY))
    tried("append " + path, lambda path=path: os.open(path, os.O_RDWR | os.O_APPEND))
    tried("cut " + path, lambda path=path: os.truncate(path, 0) is None)
    tried("mode of " + path, lambda path=path: os.chmod(path, 0o666) is None)
    tried("times of " + path, lambda path=path: os.utime(path) is None)
    tried("replace " + path, lambda path=path: os.rename(path, path + ".old") is None)
    tried("remove " + path, lambda path=path: os.unlink(path) is None)
    tried("link " + path, lambda path=path: os.link(path, path + ".link") is None)

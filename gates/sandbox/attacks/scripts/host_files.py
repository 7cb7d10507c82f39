paths = ["/etc/shadow", "/etc/passwd", "/etc/hostname", "/etc/machine-id", "/root/.ssh/id_rsa", "/proc/self/root/etc/passwd"]
paths += [known["secret_file"], known["project"] + "/manage.py", known["project"] + "/.env", known["home"] + "/.bashrc"]
for path in paths:
    tried(path, lambda path=path: read(path))
    tried("from above " + path, lambda path=path: read("../" * 12 + path))


def by_link(path):
    link = os.path.join(os.environ.get("TMPDIR", "/tmp"), "link")
    os.symlink(path, link)
    try:
        return read(link)
    finally:
        os.unlink(link)


for path in paths:
    tried("link to " + path, lambda path=path: by_link(path))
for folder in (known["project"] + "/gates", known["home"] + "/.ssh", "/var/log", "/run", "/sys", "/boot"):
    tried("list " + folder, lambda folder=folder: os.listdir(folder))

tmp = os.environ["TMPDIR"]
for place in (tmp, os.getcwd(), os.path.dirname(known["other_job"]), known["project"], "/work", "/var/tmp"):
    inside = place == tmp
    if place.startswith(tmp + "/"):
        continue  # the job's own: where the host's trees lie in /tmp, their names stand in the job's /tmp, too
    for what, action in {
        "symlink": lambda place=place: os.symlink("/etc/passwd", place + "/planted-link") is None,
        "FIFO": lambda place=place: os.mkfifo(place + "/planted-fifo") is None,
        "file": lambda place=place: os.open(place + "/planted-file", os.O_CREAT | os.O_WRONLY),
    }.items():
        if inside:
            action()
        else:
            tried(f"{what} in {place}", action)

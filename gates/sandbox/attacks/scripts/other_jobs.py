tried("by name", lambda: read(known["other_job"]))
folder = os.path.dirname(os.path.dirname(known["other_job"]))
tried("by listing", lambda: os.listdir(folder) or None)
tried("all of them", lambda: [n for n in os.listdir(os.path.dirname(folder)) if n.startswith(("bait-", "sandbox-"))] or None)

"""The format of blocks: archives, canonical JSON, signed statements, manifests, snapshots, and which
files of a repo are sent.

The service writes with it and users check with it, so each rule is here once. It knows neither the
command line nor the service. ``docs/reference/evidence.md`` describes the format.
"""

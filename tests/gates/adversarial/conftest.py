"""The honest blocks bring tests of their own; they run in the sandbox only."""

collect_ignore_glob = ["honest/*"]

"""The name that the lean interpreter's builder and its user share (the builder runs before anything is configured)."""

STAMP = "sandbox.json"

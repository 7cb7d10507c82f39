"""What the lean interpreter's builder and its user share (the builder runs before anything is configured)."""

from pathlib import Path

STAMP = "sandbox.json"
PINS = Path(__file__).with_name("requirements.txt")

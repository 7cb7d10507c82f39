"""What the lean interpreter's builder and its user share (the builder runs before anything is configured)."""

from pathlib import Path

STAMP = "sandbox.json"
PINS = Path(__file__).with_name("requirements.txt")
# Below the environment's `lib`: a locale that differs in numbers and names from the one of "C", and what
# hypothesis knows of Unicode. The harness looks for them by these names.
LOCALES, HYPOTHESIS = "locale", "hypothesis"

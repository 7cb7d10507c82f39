"""Fault injection from outside: ``python -m tests.chaos`` (``make chaos``). See docs/chaos.md."""

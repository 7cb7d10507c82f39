"""Fault injection from outside: ``python -m tests.chaos`` (``make chaos``). See docs/explanation/chaos.md."""

"""How long stages of the engine's flow types take; read without Django too."""

from bench.scale import choose_size

LATENCY_SECONDS = {"google": 10.0, "anthropic": 20.0, "openai": 40.0}
"""Anthropic is asked twice: 90 s of model time a flow, as the launch runbook has it."""
NAP_SECONDS = choose_size(full=0.5, small=0.02)

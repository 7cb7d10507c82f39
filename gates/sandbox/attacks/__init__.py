"""Attacks on the sandbox: ``manage.py doctor`` runs them on its machine, the tests on every backend."""

from gates.sandbox.attacks.bait import Attack, AttackResult, Bait, run_attack, run_attacks
from gates.sandbox.attacks.catalog import ATTACKS

__all__ = ["ATTACKS", "Attack", "AttackResult", "Bait", "run_attack", "run_attacks"]

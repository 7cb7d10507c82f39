"""Attacks on the sandbox, run by ``manage.py doctor`` on the machine it stands on and by the tests on every backend."""

from gates.sandbox.attacks.catalog import ATTACKS
from gates.sandbox.attacks.host import Attack, Host, Result, attempt, attempt_all

__all__ = ["ATTACKS", "Attack", "Host", "Result", "attempt", "attempt_all"]

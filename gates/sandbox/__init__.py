"""Where code that nobody trusts runs: without network, secrets, or a way to outlive its job."""

from gates.sandbox.base import Availability, Job, Outcome, SandboxUnavailable
from gates.sandbox.registry import choose_backend, probe_backends, run_job

__all__ = [
    "Availability",
    "Job",
    "Outcome",
    "SandboxUnavailable",
    "choose_backend",
    "probe_backends",
    "run_job",
]

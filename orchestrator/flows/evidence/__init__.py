"""The proof of a block: what it consists of, which gates it passed, which models wrote it, under which policy."""

from orchestrator.flows.evidence.manifest import CallFact, GateFact, Sealed, Subject, seal

__all__ = ["CallFact", "GateFact", "Sealed", "Subject", "seal"]

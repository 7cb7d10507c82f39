"""What files define, by their syntax trees. A language is one module here, or one entry of ``grammars``."""

from orchestrator.flows.context.symbols.registry import is_code, outline, symbols

__all__ = ["is_code", "outline", "symbols"]

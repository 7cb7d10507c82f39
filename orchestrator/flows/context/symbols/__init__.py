"""What files define, by their syntax trees. A language is one module here, or one entry of ``grammars``."""

from orchestrator.flows.context.symbols.registry import Defined, outline, symbols

__all__ = ["Defined", "outline", "symbols"]

"""What files define, by their syntax trees. A language is one module here, or one entry of ``grammars``."""

from orchestrator.flows.context.symbols.registry import find_definitions, is_code, outline_file

__all__ = ["find_definitions", "is_code", "outline_file"]

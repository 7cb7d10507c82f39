"""What files define, by their syntax trees. ``registry`` says which function reads which language."""

from orchestrator.flows.context.symbols.registry import find_definitions, is_code, outline_file

__all__ = ["find_definitions", "is_code", "outline_file"]

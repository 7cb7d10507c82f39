"""What models answer, read strictly but forgivingly: whole files between delimiters, or one JSON object.

Forgiving about wrapping (fences, preambles, CRLF, a byte order mark, reasoning text), strict about content: what is
returned is exactly what was asked for, and everything else is refused with what the model has to repair.
``docs/reference/answer-format.md`` is the format.
"""

from orchestrator.flows.generation.parsing.delimited import Contradicted, files, whole_files
from orchestrator.flows.generation.parsing.errors import Unreadable
from orchestrator.flows.generation.parsing.json_objects import json_object
from orchestrator.flows.generation.parsing.names import block_name, family_name

__all__ = ["Contradicted", "Unreadable", "block_name", "family_name", "files", "json_object", "whole_files"]

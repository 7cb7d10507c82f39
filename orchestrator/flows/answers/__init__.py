"""What models answer, read strictly but forgivingly: whole files between delimiters, or one JSON object.

Forgiving about wrapping (fences, preambles, CRLF, a byte order mark, reasoning text), strict about content: what is
returned is exactly what was asked for, and everything else is refused with what the model has to repair.
``docs/answer-format.md`` is the format.
"""

from orchestrator.flows.answers.delimited import Contradicted, files, whole_files
from orchestrator.flows.answers.names import block_name, family_name
from orchestrator.flows.answers.objects import json_object
from orchestrator.flows.answers.unreadable import Unreadable

__all__ = ["Contradicted", "Unreadable", "block_name", "family_name", "files", "json_object", "whole_files"]

"""What models answer, read strictly but forgivingly: whole files between delimiters, or one JSON object.

Forgiving about wrapping (fences, preambles, CRLF, a byte order mark, reasoning text), strict about content: what is
returned is exactly what was asked for, and everything else is refused with what the model has to repair.
``docs/reference/answer-format.md`` is the format.
"""

from orchestrator.flows.generation.parsing.delimited import (
    RequestContradicted,
    parse_files,
    parse_whole_files,
)
from orchestrator.flows.generation.parsing.errors import AnswerUnreadable
from orchestrator.flows.generation.parsing.json_objects import parse_json_object
from orchestrator.flows.generation.parsing.names import check_block_name, check_family_name

__all__ = [
    "AnswerUnreadable",
    "RequestContradicted",
    "check_block_name",
    "check_family_name",
    "parse_files",
    "parse_json_object",
    "parse_whole_files",
]

"""Reads what models answer: whole files between delimiters, or one JSON object.

Tolerant about wrapping (fences, preambles, CRLF, a byte order mark, reasoning text), strict about content:
the result is exactly what was asked for. Everything else is rejected with what the model has to correct.
``docs/reference/answer-format.md`` describes the format.
"""

from orchestrator.flows.generation.parsing.delimited import parse_files, parse_whole_files
from orchestrator.flows.generation.parsing.errors import AnswerUnreadable, RequestContradicted
from orchestrator.flows.generation.parsing.json_objects import make_text_field, parse_json_object
from orchestrator.flows.generation.parsing.names import (
    check_block_name,
    check_family_name,
    check_private_name,
)

__all__ = [
    "AnswerUnreadable",
    "RequestContradicted",
    "check_block_name",
    "check_family_name",
    "check_private_name",
    "make_text_field",
    "parse_files",
    "parse_json_object",
    "parse_whole_files",
]

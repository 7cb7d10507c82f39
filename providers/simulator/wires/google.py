"""Gemini: ``generateContent``, ``streamGenerateContent``, ``countTokens``, under ``/v1`` and ``/v1beta``."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from providers.simulator.wires.base import Question, RequestRejected, SimulatedAnswer, check_key, format_event

_PATH: Final = re.compile(
    r"/v1(?:beta)?/models/([^:/]+):(generateContent|streamGenerateContent|countTokens)$"
)
_THINKING: Final = re.compile(r"gemini-(2\.5|[3-9])")
_STOPS: Final = {
    "end": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "PROHIBITED_CONTENT",
    "content_filter": "SAFETY",
}
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GoogleWire:
    """See ``Wire``."""

    name = "google"

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """See ``Wire``. A wrong key gets 400 and the reason ``API_KEY_INVALID``."""
        try:
            check_key(headers.get("x-goog-api-key", ""))
        except RequestRejected as refused:
            raise RequestRejected(
                400, "API_KEY_INVALID", "API key not valid. Please pass a valid API key."
            ) from refused
        found = _PATH.search(path)
        model, method = (found[1], found[2]) if found else ("", "")
        if not re.match(r"gem(ini|ma)-", model):
            raise RequestRejected(
                404,
                "",
                f"models/{model} is not found for API version v1, or is not supported for generateContent.",
            )
        # ``countTokens`` takes either the contents or a whole request.
        inner = body.get("generateContentRequest") or body
        config = inner.get("generationConfig") or {}
        contents = [inner.get("systemInstruction") or {}, *(inner.get("contents") or [])]
        return Question(
            model=model,
            text="\n".join(
                str(part.get("text", "")) for content in contents for part in content.get("parts") or ()
            ),
            max_tokens=int(config.get("maxOutputTokens") or 0),
            route=method,
            stream=method == "streamGenerateContent",
            counting=method == "countTokens",
            thinks=bool(_THINKING.match(model)),
        )

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """See ``Wire``."""
        prompt = answer.input_tokens + answer.cache_read
        usage: dict[str, Any] = {
            "promptTokenCount": prompt,
            # Thoughts are beside the candidates here, and inside the output at OpenAI.
            "candidatesTokenCount": answer.output_tokens,
            "totalTokenCount": prompt + answer.output_tokens + answer.reasoning_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        }
        if answer.cache_read:
            usage["cachedContentTokenCount"] = answer.cache_read
        if answer.reasoning_tokens:
            usage["thoughtsTokenCount"] = answer.reasoning_tokens
        content = {"role": "model", "parts": [{"text": answer.text}] if answer.text else []}
        return {
            "candidates": [{"content": content, "finishReason": _STOPS[answer.stop], "index": 0}],
            "usageMetadata": usage,
            "modelVersion": asked.model,
            "responseId": answer.id,
        }

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[bytes]:
        """See ``Wire``."""
        full, pieces = self.build_answer(asked, answer), answer.pieces()
        for piece in pieces[:-1]:
            candidate = {"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}
            yield format_event(
                {"candidates": [candidate], "modelVersion": asked.model, "responseId": answer.id}
            )
        full["candidates"][0]["content"]["parts"] = [{"text": pieces[-1]}]
        yield format_event(full)

    def build_count(self, asked: Question, tokens: int) -> dict[str, Any]:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}

    def build_error(self, status: int, code: str, message: str, retry_after: float | None) -> dict[str, Any]:
        """See ``Wire``."""
        details: list[dict[str, Any]] = []
        if code:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": code,
                    "domain": "googleapis.com",
                }
            )
        if retry_after is not None:
            details.append(
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
            )
        kind = _STATUSES.get(status, "UNKNOWN")
        return {"error": {"code": status, "message": message, "status": kind, "details": details}}

    def reset_headers(self, _seconds: float) -> dict[str, str]:
        """Google has none."""
        return {}

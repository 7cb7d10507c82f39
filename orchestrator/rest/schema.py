"""The OpenAPI document, built once in each process and form: anybody may ask for it, and it never changes."""

import threading
from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SCHEMA_KWARGS, SpectacularAPIView, SpectacularSwaggerView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from orchestrator.rest.query_names import KnownQueryOnly

_one_at_a_time = threading.Lock()


class SchemaView(SpectacularAPIView):
    """``/api/v1/schema/``, as YAML or as JSON. It is public: it describes the API and holds no data."""

    authentication_classes = []
    permission_classes = [KnownQueryOnly]

    @extend_schema(**SCHEMA_KWARGS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """The document."""
        renderer: BaseRenderer = request.accepted_renderer
        with _one_at_a_time:
            content = _render_document(type(renderer))  # type: ignore[arg-type]  # a class can be hashed
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        return HttpResponse(content, content_type=f"{renderer.media_type}{charset}")


class SchemaPageView(SpectacularSwaggerView):
    """``/api/v1/docs/``, the document for people. It is public, as the document is."""

    authentication_classes = []
    permission_classes = []
    # Its template has no words for an answer to OPTIONS.
    http_method_names = ("get", "head")


@cache
def _render_document(kind: type[BaseRenderer]) -> bytes:
    generator: Any = SpectacularAPIView.generator_class()
    content: Any = kind().render(generator.get_schema(request=None, public=True), renderer_context={})
    return bytes(content)

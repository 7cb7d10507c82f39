"""Every URL of the service; the modules beside the models define them, this file composes."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from orchestrator.rest.not_found import NotFoundView
from orchestrator.rest.schema import SchemaPageView, SchemaView

api: list[URLPattern | URLResolver] = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", SchemaPageView.as_view(url_name="schema"), name="docs"),
    path("flows/", include("orchestrator.flows.api.urls")),
    path("evidence/", include("orchestrator.flows.api.evidence_urls")),
    path("", include("orchestrator.ops.quotas.urls")),
    path("", include("orchestrator.ops.notifications.urls")),
    path("", include("orchestrator.ops.alerts.urls")),
    path("", include("orchestrator.ops.reports.urls")),
    path("", include("orchestrator.ops.training.urls")),
    path("", include("orchestrator.ops.preflight.urls")),
    path("", include("orchestrator.ops.incidents.urls")),
    path("", include("orchestrator.ops.rollback.urls")),
    path("onboarding/", include("onboarding.api.urls")),
    path("", include("orchestrator.repos.api.urls")),
    # Last: an unknown path under /api/ is answered as a problem in JSON, not as an HTML page.
    # Not ".*", which ends at the first line end, and a path may hold some.
    re_path(r"^", NotFoundView.as_view()),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(api)),
    path("admin/", admin.site.urls),
    path("onboarding/", include("onboarding.urls")),
    # The pages have paths of their own at the top level, so they come after the fixed prefixes.
    path("", include("orchestrator.web.urls")),
]
# Django looks for these names here.
handler400 = "orchestrator.web.pages.service.show_refusal"
handler500 = "orchestrator.web.pages.service.show_failure"

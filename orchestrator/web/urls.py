"""Pages for people, and the two questions of Kubernetes."""

from django.contrib.auth.views import LogoutView
from django.urls import path, re_path

from orchestrator.web.pages import command_line, dashboards, flows, health, login, preflight, service, status

urlpatterns = [
    path("", service.show_landing_page, name="landing"),
    path("cli/", command_line.show_page, name="cli"),
    path("cli/simple/", command_line.show_index, name="cli-index"),
    path("cli/simple/multi-llm-blocks/", command_line.show_releases, name="cli-releases"),
    path("cli/release.json", command_line.describe_release, name="cli-release"),
    path("cli/<str:file>", command_line.download_wheel, name="cli-wheel"),
    path("status/", status.show_status_page, name="status"),
    path("status/feed.atom", status.send_feed, name="status-feed"),
    path("status/subscribe/", status.take_subscription, name="status-subscribe"),
    path("status/confirm/<uuid:key>/", status.confirm_subscription, name="status-confirm"),
    path("status/unsubscribe/<uuid:key>/", status.end_subscription, name="status-unsubscribe"),
    path("preflight/", preflight.show_preflight, name="preflight"),
    path("preflight/answer/", preflight.answer_line, name="preflight-answer"),
    path("login/", login.LogInPage.as_view(), name="login"),
    path("login/openid/", login.begin_openid, name="openid-begin"),
    path("login/openid/callback/", login.finish_openid, name="openid-callback"),
    path("logout/", LogoutView.as_view(next_page="landing"), name="logout"),
    path("flows/", flows.list_flows, name="flows"),
    path("flows/<str:flow_id>/", flows.show_flow, name="flow"),
    path("flows/<str:flow_id>/events/", flows.stream_flow_events, name="flow-events"),
    path("flows/<str:flow_id>/evidence.zip", flows.download_evidence, name="flow-evidence"),
    path("flows/<str:flow_id>/block.tar.gz", flows.download_block, name="flow-block"),
    path("flows/<str:flow_id>/artifacts/<int:artifact_id>/", flows.download_artifact, name="flow-artifact"),
    # The pattern lists the verbs, so that no other word reaches the engine.
    re_path(
        r"^flows/(?P<flow_id>[^/]+)/(?P<action>cancel|retry|pause|resume|priority)/$",
        flows.act_on_flow,
        name="flow-act",
    ),
    path("dashboards/", dashboards.show_first_dashboard, name="dashboards"),
    path("dashboards/spend.csv", dashboards.download_spend, name="spend-file"),
    path("dashboards/repos/<str:repo>/", dashboards.show_repo_dashboard, name="repo-dashboard"),
    path(
        "dashboards/repos/<str:repo>/<str:panel>.csv", dashboards.download_repo_panel, name="repo-panel-file"
    ),
    path("dashboards/<str:dashboard>/", dashboards.show_dashboard, name="dashboard"),
    path("dashboards/<str:dashboard>/<str:panel>.csv", dashboards.download_panel, name="panel-file"),
    path("health", health.show_health),
    path("ready", health.show_readiness),
]

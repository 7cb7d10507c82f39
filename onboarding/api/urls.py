"""Addresses of onboarding under /api/v1/onboarding/."""

from django.urls import path

from onboarding.api import rollout_views, views

urlpatterns = [
    path("", views.OnboardingListView.as_view()),
    # Before the references, of which each begins with ONB-.
    path("batch/", views.OnboardingBatchView.as_view()),
    path("rollout/", rollout_views.OnboardingRolloutView.as_view()),
    path("rollout/votes/", rollout_views.RolloutVoteView.as_view()),
    path("rollout/close/", rollout_views.PortalClosingView.as_view()),
    path("rollout/open/", rollout_views.PortalOpeningView.as_view()),
    path("<str:reference>/", views.OnboardingDetailView.as_view()),
    path("<str:reference>/approve/", views.OnboardingApprovalView.as_view()),
    path("<str:reference>/reject/", views.OnboardingRejectionView.as_view()),
    path("<str:reference>/retry/", views.OnboardingRetryView.as_view()),
    path("<str:reference>/cancel/", views.OnboardingCancellationView.as_view()),
    path("<str:reference>/offboard/", views.OffboardingView.as_view()),
]

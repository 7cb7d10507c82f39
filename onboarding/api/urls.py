"""Addresses of onboarding under /api/v1/onboarding/."""

from django.urls import path

from onboarding.api import views

urlpatterns = [
    path("", views.OnboardingListView.as_view()),
    # Before the references, of which each begins with ONB-.
    path("batch/", views.OnboardingBatchView.as_view()),
    path("rollout/", views.OnboardingRolloutView.as_view()),
    path("rollout/votes/", views.RolloutVoteView.as_view()),
    path("rollout/close/", views.PortalClosingView.as_view()),
    path("rollout/open/", views.PortalOpeningView.as_view()),
    path("<str:reference>/", views.OnboardingDetailView.as_view()),
    path("<str:reference>/approve/", views.OnboardingApprovalView.as_view()),
    path("<str:reference>/reject/", views.OnboardingRejectionView.as_view()),
    path("<str:reference>/retry/", views.OnboardingRetryView.as_view()),
    path("<str:reference>/cancel/", views.OnboardingCancellationView.as_view()),
    path("<str:reference>/offboard/", views.OffboardingView.as_view()),
]

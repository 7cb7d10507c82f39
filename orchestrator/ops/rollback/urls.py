"""Addresses of rollbacks under /api/v1/."""

from django.urls import path

from orchestrator.ops.rollback import views

urlpatterns = [
    path("rollback/", views.RollbackListView.as_view()),
    path("rollback/plan/", views.RollbackPlanView.as_view()),
    path("rollback/<int:number>/", views.RollbackDetailView.as_view()),
    path("rollback/<int:number>/votes/", views.VoteView.as_view()),
    path("rollback/<int:number>/restore/", views.RestorationView.as_view()),
    path("rollback/<int:number>/decline/", views.DeclinationView.as_view()),
    path("rollback/announcements/<int:number>/send/", views.AnnouncementSendingView.as_view()),
    path("rollback/announcements/<int:number>/drop/", views.AnnouncementDroppingView.as_view()),
]

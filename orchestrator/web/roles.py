"""The groups of people that a fresh database has: viewers, SREs, and commanders of incidents.

Written after every migration, so that a new permission reaches them. Other groups are made in
the admin; these three are set again each time.
"""

from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

_READ: Final = (
    "alerts.view_alerttestresult",
    "core.view_auditentry",
    "core.view_outgoingevent",
    "flows.view_attempt",
    "flows.view_block",
    "flows.view_flow",
    "flows.view_flowevent",
    "flows.view_gateresult",
    "flows.view_hold",
    "flows.view_stage",
    "flows.view_stagewait",
    "incidents.view_actionitem",
    "incidents.view_incident",
    "incidents.view_incidentalert",
    "incidents.view_incidententry",
    "incidents.view_incidentreview",
    "notifications.view_deadletter",
    "notifications.view_deliveryattempt",
    "notifications.view_notification",
    "notifications.view_subscription",
    "onboarding.view_onboardingevent",
    "onboarding.view_onboardingrequest",
    "onboarding.view_onboardingstep",
    "onboarding.view_repopage",
    "onboarding.view_rolloutvote",
    "onboarding.view_terraformstate",
    "preflight.view_personanswer",
    "providers.view_providercall",
    "providers.view_providerchange",
    "providers.view_providerstate",
    "repos.view_citrust",
    "reports.view_figureanswer",
    "reports.view_report",
    "rollback.view_announcement",
    "rollback.view_rollback",
    "rollback.view_rollbackrepo",
    "rollback.view_rollbackvote",
    "rollback.view_triggerdecision",
    "rollback.view_triggerstate",
    "repos.view_membership",
    "repos.view_repo",
    "repos.view_reposetting",
    "repos.view_token",
    "status.view_maintenance",
    "status.view_statusnews",
    "status.view_statusreader",
    "training.view_certificate",
    "training.view_feedback",
    "training.view_trainee",
    "training.view_trainingmodule",
    "training.view_trainingscore",
    "training.view_trainingsession",
)
_OPERATE: Final = (
    "core.change_outgoingevent",
    "flows.change_flow",
    "incidents.add_actionitem",
    "incidents.change_actionitem",
    "incidents.add_incident",
    "incidents.change_incident",
    "incidents.add_incidententry",
    "incidents.change_incidentreview",
    "notifications.change_notification",
    "notifications.add_subscription",
    "notifications.change_subscription",
    "notifications.delete_subscription",
    "onboarding.change_onboardingrequest",
    "preflight.add_personanswer",
    "providers.change_providerstate",
    "rollback.add_rollbackvote",
    "repos.add_citrust",
    "repos.delete_citrust",
    "reports.add_figureanswer",
    "repos.add_membership",
    "repos.change_membership",
    "repos.delete_membership",
    "repos.add_repo",
    "repos.change_repo",
    "repos.add_reposetting",
    "repos.add_token",
    "repos.change_token",
    "status.add_maintenance",
    "status.change_maintenance",
    "training.add_feedback",
    "training.change_feedback",
    "training.add_trainee",
    "training.change_trainee",
    "training.add_trainingmodule",
    "training.change_trainingmodule",
    "training.add_trainingscore",
    "training.change_trainingscore",
    "training.add_trainingsession",
    "training.change_trainingsession",
)
# The leader of an incident may also stop everything, and let it continue.
_COMMAND: Final = (
    "flows.add_hold",
    "flows.change_hold",
    "flows.delete_hold",
    "rollback.add_rollback",
)
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "Viewer": _READ,
    "SRE": (*_READ, *_OPERATE),
    "Incident commander": (*_READ, *_OPERATE, *_COMMAND),
}


def write_groups(**_: Any) -> None:
    """Give each group the permissions of its role. Receives Django's signal ``post_migrate``."""
    for name, wanted in ROLES.items():
        chosen = Q()
        for label in wanted:
            app, _dot, codename = label.partition(".")
            chosen |= Q(content_type__app_label=app, codename=codename)
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(chosen))

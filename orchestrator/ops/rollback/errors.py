"""Why a rollback cannot be begun, brought back or announced."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class UnknownRollback(OrchestratorError):
    """There is no such rollback."""

    code = "rollback:unknown"
    cure = "`blocks rollback status` shows the numbers."
    fixed_by = FixedBy.REQUESTER
    http_status = 404


class UnknownAnnouncement(OrchestratorError):
    """There is no such announcement."""

    code = "rollback:unknown-announcement"
    cure = "`blocks rollback status` shows the numbers."
    fixed_by = FixedBy.REQUESTER
    http_status = 404


class RollbackInForce(OrchestratorError):
    """A rollback of this kind is in force already."""

    code = "rollback:in-force"
    cure = "`blocks rollback status` shows it; bring repos back before you roll back again."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class RollbackNotInForce(OrchestratorError):
    """The rollback is not in the state that this needs."""

    code = "rollback:not-in-force"
    cure = "`blocks rollback status` shows how it stands."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class RepoNotRolledBack(OrchestratorError):
    """The repo does not wait in this rollback."""

    code = "rollback:not-affected"
    cure = "`blocks rollback status` lists the repos that wait."
    fixed_by = FixedBy.REQUESTER


class VotesMissing(OrchestratorError):
    """PM, TL and SRE have not all said GO."""

    code = "rollback:votes-missing"
    fixed_by = FixedBy.OPERATOR
    http_status = 409


class VoteRefused(OrchestratorError):
    """One person votes in one role."""

    code = "rollback:vote-refused"
    cure = "Let somebody else vote in the other role: three people have to agree."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class AnnouncementDecided(OrchestratorError):
    """The announcement was sent or dropped already."""

    code = "rollback:announcement-decided"
    cure = "Nothing is left to do."
    fixed_by = FixedBy.REQUESTER
    http_status = 409

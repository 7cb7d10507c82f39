"""How operations on repos and settings are refused."""

from typing import Final

from orchestrator.repos import clone_urls, halts
from orchestrator.repos.access import MISSING_SCOPE, OPERATORS_ONLY
from orchestrator.repos.repo_settings import SettingRefused
from orchestrator.rest.refusals import ProblemKind, refusal_by

FOR_OPERATORS: Final = (OPERATORS_ONLY, MISSING_SCOPE)
WRONG_REPO: Final = ProblemKind(403, "auth:wrong-repo", "The token belongs to another repo.")
UNKNOWN_REPO: Final = ProblemKind(404, "repo:unknown", "No repo is registered under this name.")
OF_A_REPO: Final = (WRONG_REPO, UNKNOWN_REPO)

INVALID_SETTING: Final = refusal_by(SettingRefused)
UNKNOWN_MODEL: Final = ProblemKind(422, "provider:unknown-model", "No provider offers a model that is set.")
SETTINGS: Final = (
    INVALID_SETTING,
    ProblemKind(422, "config:unknown-key", "There is no setting of this name."),
    ProblemKind(422, "config:below-organisation", "The value is laxer than that of the level above."),
    ProblemKind(422, "config:model-not-allowed", "The model is dearer than the organisation's."),
    UNKNOWN_MODEL,
)
HALTED: Final = refusal_by(halts.RepoHalted)
CLONE_URL: Final = refusal_by(clone_urls.CloneUrlRefused)

"""The context bundle: the part of a repo that the models see, ranked, redacted and cut to its budget."""

from orchestrator.flows.context.bundle import Bundle, BundleTooLarge, build_bundle
from orchestrator.flows.context.collector import FilesNotJudged, collect_bundle
from orchestrator.flows.context.file_names import leave_out_secret_names

__all__ = [
    "Bundle",
    "BundleTooLarge",
    "FilesNotJudged",
    "build_bundle",
    "collect_bundle",
    "leave_out_secret_names",
]

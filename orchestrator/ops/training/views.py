"""Training over REST: what the records say, who takes part, and files of records. For operators."""

from dataclasses import asdict

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.training.csv_import import import_csv
from orchestrator.ops.training.errors import CsvRefused, UnknownImport
from orchestrator.ops.training.filters import TraineeFilter
from orchestrator.ops.training.import_kinds import IMPORT_KINDS
from orchestrator.ops.training.models import Trainee
from orchestrator.ops.training.serializers import (
    ImportResultSerializer,
    NewImportSerializer,
    TraineeSerializer,
    TrainingStandingSerializer,
)
from orchestrator.ops.training.standing import read_standing
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem, read_status
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseListView

_TAGS = ["training"]
_KIND = OpenApiParameter(
    "kind", location=OpenApiParameter.PATH, enum=list(IMPORT_KINDS), description="What its lines are."
)


class TrainingStandingView(APIView):
    """The figures of the checklists."""

    scopes = {"GET": TokenScope.OPS_READ}

    @describe_operation("training", tags=_TAGS, responses=TrainingStandingSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """What training and feedback say to the launch runbook's thresholds."""
        return Response(TrainingStandingSerializer({"figures": read_standing()}).data)


class TraineeListView(SparseListView[Trainee]):
    """People, newest first."""

    scopes = {"GET": TokenScope.OPS_READ}
    sparse_serializer = TraineeSerializer
    orderings = {"-created_at": ("-pk",), "created_at": ("pk",)}
    filter_backends = [StrictFilterBackend]
    filterset_class = TraineeFilter
    queryset = Trainee.objects.select_related("certificate")
    serializer_class = TraineeSerializer
    pagination_class = NewestFirstPagination

    @describe_operation(
        "training_people_list",
        tags=_TAGS,
        responses=TraineeSerializer(many=True),
        summary="List the people who take part in the training.",
    )
    def get(self, request: Request) -> Response:
        """A page of people."""
        return self.answer_page(request, self.filter_queryset(self.get_queryset()))


class TrainingImportView(APIView):
    """Takes a file of records."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "training_import",
        refused=(INVALID, refusal_by(UnknownImport), refusal_by(CsvRefused)),
        tags=_TAGS,
        parameters=[_KIND],
        request=NewImportSerializer,
        responses=ImportResultSerializer,
        summary="Take people, modules, sessions, scores or feedback from a CSV file.",
    )
    def post(self, request: Request, kind: str) -> Response:
        """The whole file or no line of it; the same file again changes nothing.

        A refusal lists every line that is wrong under `lines`, with its number, column and reason.
        """
        given = read_valid(NewImportSerializer, request)
        try:
            result = import_csv(kind, given["csv"], actor=caller_of(request).name)
        except CsvRefused as error:
            # Beside the standard members of a problem, so that a script finds each line.
            lines = [asdict(line) for line in error.bad_lines]
            raise Problem(
                read_status(error), error.code, error.message, cure=error.cure, lines=lines
            ) from error
        return Response(ImportResultSerializer(result).data)

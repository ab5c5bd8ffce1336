"""Operations 10 to 18."""

from decimal import Decimal

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from finetuning.api.serializers import NameAndDescriptionSerializer, represent
from finetuning.api.views import OrganizationViewSet
from jobs import planning, services, steering
from jobs.api import serializers as shapes
from jobs.models import Job


@extend_schema(tags=["jobs"])
@extend_schema_view(
    list=extend_schema(summary="List jobs", parameters=[shapes.JobFilterSerializer]),
    retrieve=extend_schema(summary="Show a job", responses=shapes.JobDetailSerializer),
)
class JobViewSet(OrganizationViewSet):
    serializer_class = shapes.JobSerializer
    input_serializers = {
        "create": shapes.CreateJobSerializer,
        "update": NameAndDescriptionSerializer,
        "partial_update": NameAndDescriptionSerializer,
        "estimate_cost": shapes.EstimateSerializer,
    }
    hourly_limits = {"create": services.job_allowance}
    refusals = {"estimate_cost": (409,), "cancel": (409,), "sync": (502,)}

    def get_queryset(self) -> QuerySet[Job]:
        jobs: QuerySet[Job] = self.organization.jobs.with_names().order_by("-created_at", "-id")
        return jobs

    def list(self, request: Request) -> Response:
        filters = self.valid_query(shapes.JobFilterSerializer)
        jobs = self.get_queryset().filter(**filters).listed()
        return self.page(jobs, shapes.JobSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(represent(shapes.JobDetailSerializer, self.get_object()))

    @extend_schema(
        summary="Start a job",
        request=shapes.CreateJobSerializer,
        responses={201: shapes.JobSerializer},
    )
    def create(self, request: Request) -> Response:
        """Accepted at once; a worker starts it. The answer carries the expected price."""
        job = services.create_job(
            self.organization,
            by=request.user,  # type: ignore[arg-type]
            **self.valid_input(),
        )
        return Response(represent(shapes.JobSerializer, job), status=201)

    @extend_schema(
        summary="Change name or description",
        request=NameAndDescriptionSerializer,
        responses=shapes.JobDetailSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        job = services.update_job(self.get_object(), **self.valid_input())
        return Response(represent(shapes.JobDetailSerializer, job))

    @extend_schema(
        summary="Change name or description",
        request=NameAndDescriptionSerializer,
        responses=shapes.JobDetailSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(
        summary="Count jobs",
        parameters=[shapes.JobStatsFilterSerializer],
        responses=shapes.JobStatsSerializer,
    )
    @action(detail=False, pagination_class=None)
    def stats(self, request: Request) -> Response:
        """Counts by status, spend, share of finished jobs that succeeded, the median duration, and how near
        the estimates have come.

        The last two are of the latest 1,000 jobs that succeeded.
        """
        filters = self.valid_query(shapes.JobStatsFilterSerializer)
        jobs = self.organization.jobs
        latest = jobs.filter(**filters)
        numbers = jobs.totals(**filters) | {
            "median_duration_seconds": latest.median_duration(),
            "estimates": latest.estimate_history(),
        }
        return Response(shapes.JobStatsSerializer(numbers).data)

    @extend_schema(
        summary="Estimate the cost",
        request=shapes.EstimateSerializer,
        responses=shapes.CostEstimateSerializer,
    )
    @action(detail=False, methods=["post"], url_path="estimate-cost")
    def estimate_cost(self, request: Request) -> Response:
        values = self.valid_input()
        asked = values.pop("base_model")
        start = planning.find_start(self.organization, base_model=asked, provider=values.pop("provider", ""))
        estimate = planning.estimate_cost(values.pop("dataset"), offer=start.offer, **values)
        answer = {
            "estimated_cost_usd": estimate.training_usd,
            "total_tokens": estimate.training_tokens + estimate.validation_tokens,
            "training_tokens": estimate.training_tokens,
            "validation_tokens": estimate.validation_tokens,
            "epochs": estimate.epochs,
            "base_model": asked,
            "breakdown": {"training_cost": estimate.training_usd, "validation_cost": Decimal(0)},
            "low_usd": estimate.low_usd,
            "high_usd": estimate.high_usd,
            "price_as_of": estimate.price.as_of if estimate.price else None,
            "price_source": estimate.price.source if estimate.price else None,
        }
        return Response(shapes.CostEstimateSerializer(answer).data)

    @extend_schema(summary="Cancel a job", request=None, responses=shapes.JobSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        job = services.cancel_job(self.get_object(), by=request.user)  # type: ignore[arg-type]
        return Response(represent(shapes.JobSerializer, job))

    @extend_schema(summary="List events", responses=shapes.JobEventSerializer(many=True))
    @action(detail=True)
    def events(self, request: Request, pk: str) -> Response:
        """Newest first."""
        return self.page(self.get_object().events.newest_first(), shapes.JobEventSerializer)

    @extend_schema(summary="Ask the provider now", request=None, responses=shapes.JobSerializer)
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """Safe to repeat, and beside the poller."""
        return Response(represent(shapes.JobSerializer, services.sync_job(self.get_object())))


@extend_schema(tags=["jobs"])
class RunViewSet(OrganizationViewSet):
    """What can be done with a job's run at the provider, beside the operations of fine-tuning itself."""

    serializer_class = shapes.JobDetailSerializer
    input_serializers = {"use_checkpoint": shapes.UseCheckpointSerializer}
    refusals = {"pause": (409, 502), "resume": (409, 502), "use_checkpoint": (409,)}

    def get_queryset(self) -> QuerySet[Job]:
        jobs: QuerySet[Job] = self.organization.jobs.with_names()
        return jobs

    @extend_schema(summary="Pause a run", request=None, responses=shapes.JobDetailSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Where the provider offers it: see `capabilities` of its account. The status stays `running`."""
        return Response(represent(shapes.JobDetailSerializer, steering.pause_job(self.get_object())))

    @extend_schema(summary="Resume a run", request=None, responses=shapes.JobDetailSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        return Response(represent(shapes.JobDetailSerializer, steering.resume_job(self.get_object())))

    @extend_schema(
        summary="Use a checkpoint",
        request=shapes.UseCheckpointSerializer,
        responses=shapes.JobDetailSerializer,
    )
    @action(detail=True, methods=["post"], url_path="use-checkpoint")
    def use_checkpoint(self, request: Request, pk: str) -> Response:
        """The job's model answers by this checkpoint from now on, wherever it is deployed."""
        job = steering.use_checkpoint(self.get_object(), model_id=self.valid_input()["checkpoint"])
        return Response(represent(shapes.JobDetailSerializer, job))

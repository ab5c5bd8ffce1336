"""Conversations, which datasets are made from: recorded, rated, and taken from elsewhere."""

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from datasets import recording
from datasets.api import conversation_serializers as shapes
from datasets.models import Conversation
from finetuning.api.views import OrganizationViewSet
from finetuning.uploads import uploaded_files


@extend_schema(tags=["conversations"])
@extend_schema_view(
    list=extend_schema(summary="List conversations", parameters=[shapes.ConversationFilters]),
)
class ConversationViewSet(OrganizationViewSet):
    serializer_class = shapes.ConversationSerializer
    input_serializers = {
        "create": shapes.RecordConversationSerializer,
        "feedback": shapes.FeedbackSerializer,
        "import_file": shapes.ConversationFileSerializer,
    }

    def get_parsers(self) -> list[BaseParser]:
        takes_file = getattr(self, "action_map", {}).get("post") == "import_file"
        return [MultiPartParser()] if takes_file else super().get_parsers()

    def get_queryset(self) -> QuerySet[Conversation]:
        conversations: QuerySet[Conversation] = self.organization.conversations.all()
        return conversations.order_by("-created_at", "-id")

    def list(self, request: Request) -> Response:
        filters = self.valid_query(shapes.ConversationFilters)
        return self.page(self.get_queryset().filter(**filters), shapes.ConversationSerializer)

    @extend_schema(
        summary="Record a conversation",
        request=shapes.RecordConversationSerializer,
        responses={201: shapes.ConversationSerializer, 200: shapes.ConversationSerializer},
    )
    def create(self, request: Request) -> Response:
        """Raw material for a dataset. An `externalId` that is known answers 200 and changes nothing."""
        conversation, is_new = self.organization.conversations.record(
            created_by=request.user, **self.valid_input()
        )
        return Response(shapes.ConversationSerializer(conversation).data, status=201 if is_new else 200)

    @extend_schema(
        summary="Import an export",
        request=shapes.ConversationFileSerializer,
        responses=shapes.RecordedSerializer,
    )
    @action(detail=False, methods=["post"], url_path="import", pagination_class=None)
    def import_file(self, request: Request) -> Response:
        """Record what was said elsewhere: OpenAI's stored completions, or an export of ChatGPT, Langfuse or
        LangSmith, or ShareGPT. What is known by its id stays as it is, so the same file can be sent again.
        """
        recorded = recording.record_export(
            self.organization,
            by=request.user,  # type: ignore[arg-type]
            file=uploaded_files(request)[0],
            **self.valid_input(),
        )
        return Response(shapes.RecordedSerializer(recorded).data)

    @extend_schema(
        summary="Rate a conversation",
        request=shapes.FeedbackSerializer,
        responses=shapes.ConversationSerializer,
    )
    @action(detail=True, methods=["post"])
    def feedback(self, request: Request, pk: str) -> Response:
        """What somebody thinks of its last answer. What it does not name stays as it is."""
        conversation = self.get_object()
        if not conversation.rate(**self.valid_input()):
            raise Http404
        return Response(shapes.ConversationSerializer(conversation).data)

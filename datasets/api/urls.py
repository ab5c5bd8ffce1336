from rest_framework.routers import SimpleRouter

from datasets.api.version_views import VersionViewSet
from datasets.api.views import ConversationViewSet, DatasetViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("datasets", DatasetViewSet, basename="dataset")
urlpatterns = router.urls

# Conversations are no part of fine-tuning itself, so they have a prefix of their own.
conversation_router = SimpleRouter(trailing_slash=False, use_regex_path=False)
conversation_router.register("conversations", ConversationViewSet, basename="conversation")

# Versions are no part of fine-tuning itself either.
version_router = SimpleRouter(trailing_slash=False, use_regex_path=False)
version_router.register("datasets", VersionViewSet, basename="version")

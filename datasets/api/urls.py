from rest_framework.routers import SimpleRouter

from datasets.api.conversation_views import ConversationViewSet
from datasets.api.version_views import VersionViewSet
from datasets.api.views import DatasetViewSet, PreviewViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("datasets", DatasetViewSet, basename="dataset")
urlpatterns = router.urls

# These are none of the operations of fine-tuning itself, so they have prefixes of their own.
conversation_router = SimpleRouter(trailing_slash=False, use_regex_path=False)
conversation_router.register("conversations", ConversationViewSet, basename="conversation")
conversation_router.register("dataset-previews", PreviewViewSet, basename="dataset-preview")
version_router = SimpleRouter(trailing_slash=False, use_regex_path=False)
version_router.register("datasets", VersionViewSet, basename="version")

from rest_framework.routers import SimpleRouter

from models_registry.api.agent_views import AgentViewSet, ApiKeyViewSet
from models_registry.api.usage_views import UsageViewSet
from models_registry.api.views import FineTunedModelViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("models", FineTunedModelViewSet, basename="model")
urlpatterns = router.urls

# What serves applications is no part of fine-tuning itself, so it has prefixes of its own.
serving_router = SimpleRouter(trailing_slash=False, use_regex_path=False)
serving_router.register("agents", AgentViewSet, basename="agent")
serving_router.register("keys", ApiKeyViewSet, basename="key")
serving_router.register("usage", UsageViewSet, basename="usage")

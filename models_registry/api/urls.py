from rest_framework.routers import SimpleRouter

from models_registry.api.views import FineTunedModelViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("models", FineTunedModelViewSet, basename="model")
urlpatterns = router.urls

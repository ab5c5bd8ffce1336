from rest_framework.routers import SimpleRouter

from jobs.api.views import JobViewSet, RunViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("jobs", JobViewSet, basename="job")
urlpatterns = router.urls

# What exactly is fine-tuning's own has 27 operations; a run at the provider has a prefix of its own.
run_router = SimpleRouter(trailing_slash=False, use_regex_path=False)
run_router.register("runs", RunViewSet, basename="run")

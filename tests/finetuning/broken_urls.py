"""Routes with faults of ours, and of what we need."""

from botocore.exceptions import EndpointConnectionError
from django.db import OperationalError
from django.urls import path

handler500 = "finetuning.api.errors.server_error"


def broken(request):
    raise RuntimeError("secret")


def without_database(request):
    raise OperationalError("secret")


def without_storage(request):
    raise EndpointConnectionError(endpoint_url="http://secret")


urlpatterns = [
    path("api/broken", broken),
    path("api/fine-tuning/datasets", without_database),
    path("api/fine-tuning/jobs", without_storage),
    path("without-database", without_database),
]

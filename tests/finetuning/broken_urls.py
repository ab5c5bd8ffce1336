"""A route with a fault of ours."""

from django.urls import path

handler500 = "finetuning.api.errors.server_error"


def broken(request):
    raise RuntimeError("secret")


urlpatterns = [path("api/broken", broken)]

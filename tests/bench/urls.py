"""The product's addresses, and a bare view of REST framework to measure them against.

It has the product's authentication, permission, parser and renderer, and answers a constant as large as the
answer of the real view: what is left is the work of the view itself, its queries included.
"""

from typing import Any

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.examples import COST, JOB

ANSWERS = {
    "list": {"data": [JOB] * 20, "hasMore": True, "nextCursor": "WyIyMDI2LTExLTIzIl0:1tX"},
    "detail": JOB,
    "estimate": COST,
}


class BareView(APIView):
    def get(self, request: Request, name: str) -> Response:
        return Response(ANSWERS[name])

    def post(self, request: Request, name: str) -> Response:
        # As every view that takes a body does.
        given: Any = request.data
        return Response(ANSWERS[name], status=200 if given else 400)


urlpatterns = [path("bare/<str:name>", BareView.as_view()), path("", include("config.urls"))]

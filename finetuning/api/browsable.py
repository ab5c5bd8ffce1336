"""The API by hand: what was answered, and a form for everything that may be sent from there."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request, override_method

METHODS = ("POST", "PUT", "PATCH", "DELETE")
HIDDEN_HEADERS = ("Content-Type", "Vary", "X-Frame-Options")


@dataclass(frozen=True)
class ApiForm:
    """One request that can be sent: with `fields` as a form, with `text` as JSON, with neither empty."""

    method: str
    url: str
    text: str = ""
    fields: tuple["ApiField", ...] = ()


@dataclass(frozen=True)
class ApiField:
    name: str
    kind: str
    is_required: bool
    help_text: str
    choices: tuple[str, ...] = ()
    takes_several: bool = False


class BrowsableApi(BrowsableAPIRenderer):
    """REST framework's own has scripts and styles in its pages, and sends forms where JSON is read."""

    template = "finetuning/api.html"

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        view, request, response = (renderer_context[name] for name in ("view", "request", "response"))
        renderer = self.get_default_renderer(view)
        text = self.get_content(renderer, data, accepted_media_type or "", {**renderer_context})
        is_problem = response.status_code >= 400
        can_go_on = response.status_code not in (401, 403, 404)
        return {
            "shell": "base.html" if getattr(request, "membership", None) else "_plain.html",
            "name": view.get_view_name(),
            "status": f"{response.status_code} {response.status_text}",
            "headers": [(name, value) for name, value in response.items() if name not in HIDDEN_HEADERS],
            "text": text,
            "is_problem": is_problem,
            "problems": list(_problems(data)) if is_problem else [],
            "rows": [] if is_problem else [row for row in _rows(view, data) if row[1] != request.path],
            "next_page": _next_page(request, data),
            "lists": list(_lists(view)) if can_go_on else [],
            "forms": list(_forms(view, request, data)) if can_go_on else [],
        }


def _problems(problem: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Place and words of each thing that is wrong."""
    for error in problem["errors"] or [problem]:
        place = error.get("pointer") or error.get("parameter") or error.get("header") or ""
        yield place, error["detail"]


def _rows(view: Any, data: Any) -> Iterator[tuple[str, str]]:
    """Name and address of each row in the answer that has a page of its own."""
    found = data.get("data", [data]) if isinstance(data, dict) else []
    for row in found:
        if isinstance(row, dict) and "id" in row and "organizationId" in row:
            try:
                yield str(row.get("name") or row["id"]), reverse(f"{view.basename}-detail", args=[row["id"]])
            except (AttributeError, NoReverseMatch):
                return


def _next_page(request: Request, data: Any) -> str:
    if not isinstance(data, dict) or not data.get("nextCursor"):
        return ""
    query = request.query_params.copy()
    query["cursor"] = data["nextCursor"]
    return f"?{query.urlencode()}"


def _extra_actions(view: Any) -> Iterator[tuple[Any, str]]:
    """The viewset's other actions with their addresses, for this row or for all."""
    for extra in view.get_extra_actions() if hasattr(view, "get_extra_actions") else []:
        if extra.detail == view.detail:
            try:
                yield extra, reverse(f"{view.basename}-{extra.url_name}", kwargs=view.kwargs)
            except NoReverseMatch:
                # It takes the id of another row, too.
                continue


def _lists(view: Any) -> Iterator[tuple[str, str]]:
    for extra, url in _extra_actions(view):
        if "get" in extra.mapping:
            yield extra.url_path, url


def _forms(view: Any, request: Request, data: Any) -> Iterator[ApiForm]:
    """A form for each request that the caller's role allows, those to the same address first."""
    own = [
        (method, request.path, _action(view, method)) for method in METHODS if method in view.allowed_methods
    ]
    others = [
        (method.upper(), url, action)
        for extra, url in _extra_actions(view)
        for method, action in extra.mapping.items()
        if method != "get" and url != request.path
    ]
    for method, url, action in [*own, *others]:
        if _may(view, request, method, action):
            yield _form(view, method, url, action, data)


def _action(view: Any, method: str) -> str:
    return str(getattr(view, "action_map", {}).get(method.lower(), ""))


def _may(view: Any, request: Request, method: str, action: str) -> bool:
    with override_method(view, request, method) as tried:
        view.action = action
        try:
            view.check_permissions(tried)
        except APIException:
            return False
    return True


def _form(view: Any, method: str, url: str, action: str, data: Any) -> ApiForm:
    shape = getattr(view, "input_serializers", {}).get(action)
    if shape is None:
        takes_any = not hasattr(view, "input_serializers") and method != "DELETE"
        return ApiForm(method, url, text="{}" if takes_any else "")
    fields = tuple(_field(name, field) for name, field in shape().fields.items())
    if any(field.kind == "file" for field in fields):
        return ApiForm(method, url, fields=fields)
    return ApiForm(method, url, text=json.dumps(_example(shape, action, data), indent=2, ensure_ascii=False))


def _example(shape: Any, action: str, data: Any) -> dict[str, Any]:
    """What a form starts with: the example of the description, or what the row has now."""
    [example] = shape._spectacular_annotation["examples"]
    has_row = action in ("update", "partial_update") and isinstance(data, dict)
    return {name: data.get(name, value) if has_row else value for name, value in example.value.items()}


def _field(name: str, field: serializers.Field[Any, Any, Any, Any]) -> ApiField:
    takes_several = isinstance(field, serializers.ListField)
    one = field.child if isinstance(field, serializers.ListField) else field
    kind = "file" if isinstance(one, serializers.FileField) else "text"
    choices: tuple[str, ...] = ()
    if isinstance(field, serializers.ChoiceField):
        kind, choices = "choice", tuple(map(str, field.choices))
    return ApiField(name, kind, bool(field.required), str(field.help_text or ""), choices, takes_several)

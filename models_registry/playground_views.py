"""The playground: one conversation, asked of up to three models side by side."""

from collections.abc import AsyncIterator
from itertools import zip_longest
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import Http404, HttpResponse, JsonResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from finetuning.errors import Refused
from finetuning.models import Role
from finetuning.tenancy import OrganizationRequest, members_only
from models_registry import playground
from models_registry.gateway.errors import GatewayError
from models_registry.playground import Answer, Choice
from models_registry.playground_forms import COLUMNS, PlaygroundForm, Start, TurnFormSet, start_from

TURNS = "turns"
# Events are of use only when they come.
UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def show_playground(request: OrganizationRequest) -> HttpResponse:
    """The page. A POST asks, and shows the answers when all are there; with `add` it adds a message."""
    if request.method != "POST":
        return _show_start(request)
    form, turns = _forms(request)
    if "add" in request.POST:
        return _show_one_more(request, form, turns)
    if not (form.is_valid() and turns.is_valid()):
        return _show(request, form, turns, status=422)
    try:
        answers = playground.ask_all(request.organization, form.chosen, **form.request(turns))
    except GatewayError as error:
        form.add_error(None, str(error))
        return _show(request, form, turns, status=error.http_status)
    return _show(request, form, turns, answers=answers)


def _show_start(request: OrganizationRequest) -> HttpResponse:
    """With what the query names: who is asked, and perhaps an example of a dataset."""
    start, dataset_id = Start(), None
    # Whoever may only look sees private data masked, and a question must be whole.
    if "dataset" in request.GET and request.membership.role != Role.VIEWER:
        example = _example(request)
        start, dataset_id = start_from(example.messages, example.attributes), example.dataset_id
    choices = _choices(request, request.GET)
    initial = start.initial | _columns(request, choices, dataset_id)
    form = PlaygroundForm(initial=initial, choices=choices)
    return _show(request, form, TurnFormSet(initial=start.turns, prefix=TURNS), omits=start.omits)


def _example(request: OrganizationRequest) -> Any:
    """The example `position`, which counts from 0, of the dataset `dataset`."""
    try:
        dataset: Any = get_object_or_404(request.organization.datasets, pk=request.GET["dataset"])
        return get_object_or_404(dataset.examples, position=int(request.GET.get("position", "")))
    except (ValueError, ValidationError) as error:
        raise Http404 from error


def _columns(request: OrganizationRequest, choices: list[Choice], dataset_id: Any) -> dict[str, str]:
    """Who is asked at first: as the query says, else the newest model, of that dataset if it has one.

    Beside it stands its base model.
    """
    given = {name: request.GET[name] for name in COLUMNS if name in request.GET}
    if "first" not in given and choices:
        trained = request.organization.fine_tuned_models.filter(job__dataset_id=dataset_id)
        values = {f"model:{pk}" for pk in trained.values_list("pk", flat=True)}
        given["first"] = next((one.value for one in choices if one.value in values), choices[0].value)
    first = next((one for one in choices if one.value == given.get("first")), None)
    if "second" not in given and first is not None and not first.is_base:
        given["second"] = first.base_value
    return given


def _show_one_more(request: OrganizationRequest, form: PlaygroundForm, turns: Any) -> HttpResponse:
    said = turns.messages if turns.is_valid() else []
    more = TurnFormSet(initial=[*said, {"role": "user"}], prefix=TURNS)
    return _show(request, PlaygroundForm(initial=request.POST.dict(), choices=form.choices), more)


def _forms(request: OrganizationRequest) -> tuple[PlaygroundForm, Any]:
    form = PlaygroundForm(request.POST, choices=_choices(request, request.POST))
    return form, TurnFormSet(request.POST, prefix=TURNS)


def _choices(request: OrganizationRequest, given: QueryDict) -> list[Choice]:
    return playground.list_choices(request.organization, named=[given.get(name, "") for name in COLUMNS])


def _show(
    request: OrganizationRequest,
    form: PlaygroundForm,
    turns: Any,
    *,
    answers: list[Answer] | None = None,
    omits: bool = False,
    status: int = 200,
) -> HttpResponse:
    labels = [choice.label for choice in form.chosen] if answers else []
    context = {
        "form": form,
        "turns": turns,
        "omits": omits,
        "columns": list(zip_longest(COLUMNS, labels, answers or [])),
        "expected": form["expected"].value(),
    }
    return render(request, "models_registry/playground.html", context, status=status)


@require_POST
@members_only
def ask_one(request: OrganizationRequest) -> HttpResponseBase:
    """Ask whoever is `first`, and stream what it says; for the page's script."""
    form, turns = _forms(request)
    if not (form.is_valid() and turns.is_valid()):
        return JsonResponse({"error": _first_words(form, turns)}, status=422)
    try:
        playground.admit(request.organization)
    except GatewayError as error:
        return JsonResponse({"error": str(error)}, status=error.http_status, headers=error.headers)
    question = playground.prepare(request.organization, form.chosen[0], stream=True, **form.request(turns))
    # Nothing is asked of the database any more, and the answer may take minutes.
    close_old_connections()
    events = playground.stream(question)
    is_asgi = isinstance(request, ASGIRequest)
    # A server of WSGI has no event loop that could go on with it.
    content = events if is_asgi else async_to_sync(_collected)(events)
    return StreamingHttpResponse(content, content_type="text/event-stream", headers=UNBUFFERED)


def _first_words(form: PlaygroundForm, turns: Any) -> str:
    """What is wrong, in one sentence."""
    fields = [bound for one in (form, *turns.forms) for bound in one if bound.errors]
    said = [f"{bound.label}: {error}" for bound in fields for error in bound.errors]
    return str(next(iter([*turns.non_form_errors(), *said]), "The form is not complete."))


async def _collected(events: AsyncIterator[bytes]) -> list[bytes]:
    return [event async for event in events]


@require_POST
@members_only
def save_answer(request: OrganizationRequest) -> HttpResponse:
    """Keep a conversation for datasets. A script gets the words alone, a plain form the page again."""
    try:
        is_new = playground.save_answer(request.organization, request.POST.get("saving", ""), by=request.user)
    except Refused as refusal:
        words, status = refusal.message, 422
    else:
        words = "Saved." if is_new else "It was saved already."
        words, status = f"{words} It can become part of a dataset.", 200
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "models_registry/_saved.html", {"words": words}, status=status)
    (messages.success if status == 200 else messages.error)(request, words)
    return redirect("playground:show")

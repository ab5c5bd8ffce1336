"""Every page of the operators' site, opened with data. None asks more of the database the more rows there are."""

import csv
import io

import pytest
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Group, Permission
from django.db import connection, models
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from datasets.models import Dataset
from finetuning.api.tokens import issue_tokens
from finetuning.ids import uuid7
from finetuning.operators import OperatorAdmin
from finetuning.second_factor.services import begin_factor
from models_registry.models import UsageBatch
from tests.factories import OrganizationFactory, UserFactory
from tests.isolation.rows import furnish

pytestmark = pytest.mark.django_db
REGISTERED = {model._meta.label_lower: model for model in admin.site._registry}
# What operators may change by hand; everything else belongs to services.
PRICE = {"provider_kind", "valid_from", "input_usd", "cached_input_usd", "output_usd", "source_url"}
EDITABLE = {
    "auth.group": {"name", "permissions"},
    "finetuning.user": {
        *("email", "password", "first_name", "last_name"),
        *("is_active", "is_staff", "is_superuser", "groups", "user_permissions"),
    },
    "finetuning.organization": {"name", "monthly_cap_usd", "suspension_reason"},
    "finetuning.membership": {"user", "organization", "role"},
    "finetuning.workspace": {"organization", "name"},
    "finetuning.provideraccount": {
        *("organization", "name", "kind", "base_url", "base_models", "is_default", "is_enabled"),
        *("api_key", "webhook_secrets"),
    },
    "finetuning.baseprice": PRICE | {"base_model", "training_usd"},
    "finetuning.baseretirement": {"provider_kind", "base_model", "retires_on", "source_url"},
    "models_registry.plainprice": PRICE | {"model"},
    "datasets.dataset": {"name", "description"},
    "jobs.job": {"name", "description"},
    "models_registry.finetunedmodel": {"name", "description"},
}
ONLY_READS = {"export_csv"}
# Django's own page of groups, of which there are few.
UNFILTERED = {"auth.group"}
MOST_QUERIES = 20


def actions_of(model, *permissions):
    """What somebody with these permissions on the model may do with rows that were chosen in its list."""
    user = UserFactory(is_staff=True)
    codenames = [get_permission_codename(permission, model._meta) for permission in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    request = RequestFactory().get("/")
    request.user = user
    return set(admin.site.get_model_admin(model).get_actions(request))


@pytest.mark.parametrize("label", REGISTERED)
def test_offers_nothing_but_the_export_to_those_who_may_only_look(label):
    model = REGISTERED[label]

    assert actions_of(model, "view") == ONLY_READS
    offered = set(admin.site.get_model_admin(model).actions)
    assert actions_of(model, "view", "change") == offered


@pytest.fixture
def rows(world):
    """A row of every kind that `furnish` leaves out; calling it makes more of each."""
    made = []

    def add():
        number = len(made)
        made.append(number)
        organization = OrganizationFactory(name=f"Third {number}")
        kinds = furnish(organization, mark=f"Third{number}")
        kinds["flawed_dataset"].problems.create(code="empty", severity="error", message="Empty.", line=1)
        user = UserFactory(member_of=organization)
        issue_tokens(user.memberships.get())
        begin_factor(user)
        Group.objects.create(name=f"Group {number}")
        UsageBatch.objects.create(id=uuid7(), refused_calls=1, reason="odd")
        interval, _ = IntervalSchedule.objects.get_or_create(every=60, period="seconds")
        PeriodicTask.objects.create(name=f"Task {number}", task="x", interval=interval)

    add()
    return add


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries(operator_client, *addresses):
    counts = []
    for each in addresses:
        operator_client.get(each)
        with CaptureQueriesContext(connection) as asked:
            answer = operator_client.get(each)
        assert answer.status_code == 200
        counts.append(len(asked))
    return counts


def pages(label):
    model = REGISTERED[label]
    changelist = address(model, "changelist")
    row = admin.site._registry[model].get_queryset(None).last()
    return [changelist, f"{changelist}?q=third", address(model, "change", row.pk)]


def test_opens_every_page_at_the_same_cost_for_more_rows(world, operator_client, rows):
    opened = {label: pages(label) for label in REGISTERED}
    few = {label: queries(operator_client, *found) for label, found in opened.items()}
    for _ in range(2):
        rows()

    more = {label: queries(operator_client, *found) for label, found in opened.items()}

    assert {label: (few[label], more[label]) for label in few if few[label] != more[label]} == {}
    assert {label: counts for label, counts in more.items() if max(counts) > MOST_QUERIES} == {}


@pytest.mark.parametrize("label", REGISTERED)
def test_finds_and_filters_every_kind_of_row(label):
    page = admin.site._registry[REGISTERED[label]]
    has_dates = any(isinstance(field, models.DateField) for field in page.model._meta.fields)

    assert isinstance(page, OperatorAdmin)
    assert page.search_fields
    assert page.list_filter or label in UNFILTERED
    assert page.date_hierarchy or not has_dates


def test_lets_operators_change_what_belongs_to_no_service(world, operator_client, rows):
    changeable = {
        label: set(operator_client.get(pages(label)[2]).context["adminform"].form.fields)
        for label in REGISTERED
    }

    assert {label: fields for label, fields in changeable.items() if fields} == EDITABLE


def test_exports_every_table(world, operator_client, rows):
    for label, model in REGISTERED.items():
        found = admin.site._registry[model].get_queryset(None).values_list("pk", flat=True)[:3]
        chosen = [str(pk) for pk in found]

        answer = operator_client.post(
            address(model, "changelist"), {"action": "export_csv", "_selected_action": chosen}
        )

        lines = list(csv.reader(io.StringIO(answer.getvalue().decode())))
        assert len(lines) == 1 + len(chosen), label
        assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r="])
def test_exports_no_formula(world, operator_client, start):
    dataset = world.acme_rows["dataset"]
    Dataset.objects.filter(pk=dataset.pk).update(name=f'{start}HYPERLINK("https://example.com")')

    answer = operator_client.post(
        address(Dataset, "changelist"), {"action": "export_csv", "_selected_action": [str(dataset.pk)]}
    )

    _, row = csv.reader(io.StringIO(answer.getvalue().decode(), newline=""))
    assert row[0].startswith("'")
    assert row[1] == world.acme.name

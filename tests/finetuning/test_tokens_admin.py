import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from finetuning.api.tokens import issue_tokens
from finetuning.models import TokenFamily

pytestmark = pytest.mark.django_db


@pytest.fixture
def membership(user):
    return user.memberships.get()


@pytest.fixture
def pair(membership):
    return issue_tokens(membership)


def is_alive(pair):
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    return client.get("/api/auth/me").status_code == 200


def form_of(answer, **changes):
    """The values of the form on an admin page, as a browser would send them back, and what is changed."""
    form = answer.context["adminform"].form
    values = {
        form.add_prefix(name): form.get_initial_for_field(field, name) for name, field in form.fields.items()
    }
    for inline in answer.context["inline_admin_formsets"]:
        formset = inline.formset
        for part in (formset.management_form, *formset.initial_forms):
            values |= {part.add_prefix(name): part[name].value() for name in part.fields}
    for name in ("last_login", "date_joined"):
        moment = values.pop(name, None)
        if moment:
            values |= {f"{name}_0": moment.date(), f"{name}_1": moment.time()}
    kept = {name: value for name, value in values.items() if value not in (None, False, "")}
    return {name: value for name, value in (kept | changes).items() if value is not None}


def save(operator_client, row, **changes):
    path = reverse(f"admin:finetuning_{row._meta.model_name}_change", args=[row.pk])
    saved = operator_client.post(path, form_of(operator_client.get(path), **changes))
    assert saved.status_code == 302, saved.context["errors"]


def test_lists_sign_ins_and_changes_none(operator_client, user, pair):
    family = TokenFamily.objects.get()
    detail = reverse("admin:finetuning_tokenfamily_change", args=[family.pk])

    assert (
        user.email in operator_client.get(reverse("admin:finetuning_tokenfamily_changelist")).content.decode()
    )
    assert operator_client.get(detail).status_code == 200
    assert operator_client.post(detail, {"revoked_at": ""}).status_code == 403


def test_ends_the_chosen_sign_ins(operator_client, membership, pair):
    chosen, other = TokenFamily.objects.get(), issue_tokens(membership)

    operator_client.post(
        reverse("admin:finetuning_tokenfamily_changelist"),
        {"action": "revoke", "_selected_action": [str(chosen.pk)]},
    )

    assert not is_alive(pair)
    assert is_alive(other)


def test_ends_sign_ins_when_an_operator_changes_the_role(operator_client, membership, pair):
    save(operator_client, membership, role="admin")

    membership.refresh_from_db()
    assert membership.role == "admin"
    assert not is_alive(pair)


def test_ends_sign_ins_when_the_role_is_changed_on_the_organizations_page(
    operator_client, organization, membership, colleague, pair
):
    others = issue_tokens(colleague.memberships.get())

    save(operator_client, organization, **{"memberships-0-role": "admin"})

    membership.refresh_from_db()
    assert membership.role == "admin"
    assert not is_alive(pair)
    assert is_alive(others)


def test_does_not_bring_tokens_back_with_a_user_who_was_deactivated(operator_client, user, pair):
    save(operator_client, user, is_active=None)
    assert not is_alive(pair)

    save(operator_client, user, is_active="on")

    assert is_alive(issue_tokens(user.memberships.get()))
    assert not is_alive(pair)

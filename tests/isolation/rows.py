"""One row of every kind for an organization, and what tells whether any of an organization's rows changed."""

import json
from datetime import timedelta
from functools import cache

from django.apps import apps
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from finetuning.models import Organization, SignInCounter, User, WebhookEndpoint
from jobs.states import Status
from models_registry import services as registry
from tests.factories import (
    DatasetFactory,
    FineTunedModelFactory,
    JobFactory,
    ProviderAccountFactory,
    UserFactory,
)

APPS = ("finetuning", "datasets", "jobs", "models_registry")
TALKS = b"".join(
    b'{"messages": [{"role": "user", "content": "Question %d?"}, {"role": "assistant", "content": "%d."}]}\n'
    % (number, number)
    for number in range(12)
)


def furnish(organization, *, mark):
    """A row of every kind that an operation is about, by kind. `mark` is part of every text in them."""
    account = ProviderAccountFactory(organization=organization, name="sandbox", is_default=True)
    account.set_api_key("sk-test")
    account.save()
    workspaces = [organization.workspaces.create(name=f"{mark} {side}") for side in ("East", "West")]
    own = {"organization": organization, "workspace": workspaces[0]}
    texts = {"name": f"{mark} name", "description": f"{mark} description"}
    dataset = DatasetFactory(**own, **texts, file_name=f"{mark}.jsonl", examples=12)
    dataset.store_file(ContentFile(TALKS), size=len(TALKS))
    flawed, version = _versions(own, mark)
    job = JobFactory(
        **own, **texts, provider_account=account, dataset=DatasetFactory(**own, name=f"{mark} busy")
    )
    job.events.create(event_type="status", message=f"{mark} event", metadata={"status": "pending"})
    finished_job = JobFactory(**own, **texts, provider_account=account, status=Status.SUCCEEDED)
    failed_job = JobFactory(
        **own,
        **texts,
        provider_account=account,
        status=Status.FAILED,
        dataset=DatasetFactory(**own, name=f"{mark} again", examples=12),
    )
    models = [_model(own, texts, account, f"ft:{mark}:{number}") for number in range(3)]
    agent = _agent(organization, workspaces[0], models, mark)
    conversation, _ = organization.conversations.record(
        messages=[{"role": "user", "content": f"{mark} question"}],
        workspace=workspaces[0],
        agent_id=agent.name,
        external_id=f"{mark} talk",
    )
    key, _ = organization.api_keys.issue(name=f"{mark} key")
    key.agents.set([agent])
    organization.usage_days.create(
        day=timezone.now().date(), provider_model_id=f"ft:{mark}:0", model=models[0], agent=agent, api_key=key
    )
    endpoint, delivery = _webhook(organization, mark)
    invitation = organization.invitations.create(
        email=f"{mark}-invited@example.com",
        token_digest=f"{mark} digest",
        expires_at=timezone.now() + timedelta(days=1),
    )
    return {
        "organization": organization,
        "workspace": workspaces[0],
        "conversation": conversation,
        "other_workspace": workspaces[1],
        "empty_workspace": organization.workspaces.create(name=f"{mark} empty"),
        "colleague": UserFactory(email=f"{mark}-colleague@example.com", member_of=organization),
        "invitation": invitation,
        "provider_account": account,
        "spare_account": ProviderAccountFactory(organization=organization, name=f"{mark.lower()}-spare"),
        "dataset": dataset,
        "flawed_dataset": flawed,
        "version": version,
        "job": job,
        "finished_job": finished_job,
        "failed_job": failed_job,
        "model_job": models[0].job,
        "model": models[0],
        "deployed_model": models[2],
        "agent": agent,
        "key": key,
        "endpoint": endpoint,
        "delivery": delivery,
    }


def _versions(own, mark):
    """A dataset with something to repair, to redact and to save, and a version that was made of another."""
    flawed = DatasetFactory(
        **own,
        name=f"{mark} flawed",
        file_name=f"{mark}.jsonl",
        problem_counts={"white_space": 1, "personal_data": 1},
        examples=2,
    )
    flawed.store_file(ContentFile(TALKS), size=len(TALKS))
    flawed.edits.create(kind="add", row=json.dumps({"messages": [f"{mark} edit"]}))
    first = DatasetFactory(**own, name=f"{mark} first", superseded_at=timezone.now())
    version = DatasetFactory(
        **own,
        name=f"{mark} second",
        parent=first,
        series_id=first.series_id,
        version=2,
        change={"kind": "repairs", "counts": {}},
    )
    details = [{"pointer": "", "before": f"{mark} before", "after": f"{mark} after"}]
    version.changes.create(number=1, kind="changed", parent_line=1, line=1, details=details)
    return flawed, version


def _model(own, texts, account, provider_model_id):
    kept = {"id": f"ckpt:{provider_model_id}", "model_id": "ft:kept", "step": 1, "metrics": {}}
    job = JobFactory(**own, provider_account=account, status=Status.SUCCEEDED, checkpoints=[kept])
    return FineTunedModelFactory(**own, **texts, job=job, provider_model_id=provider_model_id)


def _agent(organization, workspace, models, mark):
    """An agent that points at the last model, and at the one before it earlier."""
    name = f"{mark}-bot"
    for model in models[1:]:
        registry.deploy_model(model, agent_id=name)
    agent = organization.agents.get(name=name)
    agent.description, agent.workspace = f"{mark} description", workspace
    agent.save()
    models[2].refresh_from_db()
    return agent


def _webhook(organization, mark):
    endpoint = WebhookEndpoint(
        organization=organization,
        url="http://127.0.0.1:9/hook",
        description=f"{mark} endpoint",
        event_types=["job.succeeded"],
    )
    endpoint.set_new_secret()
    endpoint.save()
    delivery = endpoint.queue("job.succeeded", {"name": f"{mark} delivery"})
    delivery.record(next_attempt_at=None, delivered_at=timezone.now(), answer_text=f"{mark} answer")
    return endpoint, delivery


@cache
def paths():
    """Every model, its many-to-many tables too, with the lookup that leads to its organization.

    Where none does, the lookup is empty and the whole table is looked at.
    """
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in APPS]
    # Who tries to sign in is counted, whoever it is.
    return {model: _path(model, ()) or "" for model in models if model is not SignInCounter}


def _path(model, seen):
    if model is Organization:
        return "pk"
    if model is User:
        return "memberships__organization"
    steps = [field for field in model._meta.fields if field.is_relation and field.related_model not in seen]
    # A user may be in several organizations, so what was made by one says little.
    for field in sorted(steps, key=lambda field: (field.related_model is User, field.name != "organization")):
        rest = _path(field.related_model, (*seen, model))
        if rest is not None:
            return field.name if rest == "pk" else f"{field.name}__{rest}"
    return None


def contents(organization):
    """A digest of each table's rows that belong to `organization`: equal when no byte of them has changed."""
    sql, values = _digests(organization.pk)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return dict(cursor.fetchall())


@cache
def _digests(organization_id):
    selects, values = [], []
    for model, path in paths().items():
        found = model._base_manager.filter(**{path: organization_id} if path else {})
        sql, parameters = found.order_by().values("pk").query.sql_with_params()
        table, key = model._meta.db_table, model._meta.pk.column
        selects.append(
            f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) "
            f'FROM "{table}" t WHERE "{key}" IN ({sql})'
        )
        values += parameters
    return " UNION ALL ".join(selects), values

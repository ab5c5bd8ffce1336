"""An organization in the middle of its work, made by the services themselves: what pages are looked at with."""

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from datasets import editing, reading, versions
from datasets import services as datasets
from finetuning.members import invitations
from finetuning.models import ProviderAccount, Role, User, WebhookEndpoint
from finetuning.models.webhooks import MANY_FAILURES
from jobs import services as jobs
from models_registry import services as registry

SUPPORT = (settings.BASE_DIR / "datasets" / "samples" / "support.jsonl").read_bytes()
MISTAKES = b"""\
{"messages": [{"role": "user", "content": "Where is my order 7?"}, {"role": "bot", "content": "On its way."}]}
{"messages": [{"role": "user", "content": "Can I pay by invoice?"}]}
{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]

{"prompt": "Where are you?", "completion": "In Rotterdam."}
"""


def build_world(organization, user, sandbox):
    """Datasets, jobs and models in every state. Returns them by a short name; needs a usable account."""
    support = add_dataset(organization, user, "Support answers", SUPPORT)
    mistakes = add_dataset(organization, user, "Answers with mistakes", MISTAKES)
    version = make_version(mistakes, user)
    waiting = upload(organization, user, "A dataset that is still being read", SUPPORT)
    done = start(organization, user, "Support, friendly tone", support)
    finish(done, sandbox)
    cancelled = start(organization, user, "Support, first try", support)
    jobs.cancel_job(cancelled, by=user)
    running = start(organization, user, "Support, ten epochs", support, hyperparameters={"n_epochs": 10})
    while running.progress_percentage < 30:
        step(running, sandbox, seconds=1)
    pending = start(organization, user, "Support, held back", support, validation_split=0.2)
    endpoint = add_endpoint(organization, user)
    model = done.fine_tuned_model
    registry.deploy_model(model, agent_id="support-bot")
    registry.record_usage(model, requests=128, prompt_tokens=40_960, completion_tokens=12_288, latency_ms=410)
    conversation = add_conversations(organization)
    user.memberships.update(role=Role.OWNER)
    return {
        "conversation": conversation,
        **add_colleagues(organization, user),
        **{"dataset": support, "invalid_dataset": mistakes, "waiting_dataset": waiting, "model": model},
        "version": version,
        "agent": organization.agents.get(),
        **{"endpoint": endpoint, "delivery": endpoint.deliveries.newest_first().last()},
        **{"job": done, "cancelled_job": cancelled, "running_job": running, "pending_job": pending},
    }


def add_conversations(organization):
    """Some that were rated and some that were not. Returns one that was corrected."""
    for number, score in enumerate([0.2, None, 1, None]):
        conversation, _ = organization.conversations.record(
            messages=[
                {"role": "system", "content": "You are the support assistant of Larch."},
                {
                    "role": "user",
                    "content": f"Can I return order {number} after 30 days? I am ann@example.com.",
                },
                {"role": "assistant", "content": "Within 30 days, if it was not used."},
            ],
            agent_id="support-bot",
            model="ft:gpt-4.1-mini-2025-04-14:larch::support",
            tags=["billing", "returns"],
            quality_score=score,
            external_id=f"chatcmpl-{number}",
        )
    conversation.tags.append("customer-asked-twice-and-was-told-two-different-things")
    conversation.save()
    conversation.rate(quality_score=0.0, corrected_answer="Yes, within 60 days.")
    return conversation


def add_colleagues(organization, user):
    """Somebody of each role, one who is invited, a workspace, and an account whose key was refused."""
    domain = f"{organization.name.lower()}.example.com"
    for role in Role:
        person = User.objects.create_user(f"{role}@{domain}", first_name=f"{role.label} Example")
        person.memberships.create(organization=organization, role=role)
    _, token = invitations.invite_member(
        organization, by=user.memberships.get(), email="ada@example.com", role=Role.ADMIN, page=""
    )
    account = ProviderAccount(
        organization=organization,
        name="nebius",
        kind=ProviderAccount.Kind.COMPATIBLE,
        base_url="https://api.tokenfactory.nebius.com/v1",
        base_models=["Qwen/Qwen3-32B"],
    )
    account.set_api_key("sk-no-good-4x9Q")
    account.save()
    account.record_failed_check(now=timezone.now(), error="Incorrect API key provided.")
    organization.api_keys.issue(name="Help desk", created_by=user)
    return {
        "token": token,
        "account": account,
        "workspace": organization.workspaces.create(name="Support team"),
    }


def add_endpoint(organization, user):
    """An endpoint that nobody answers at, with one delivery that failed and one that waits."""
    endpoint = WebhookEndpoint(
        organization=organization,
        created_by=user,
        url="https://hooks.example.com/attune",
        description="Tells the release bot",
        event_types=["job.failed", "job.succeeded", "model.deployed"],
        failures=MANY_FAILURES,
        failing_since=timezone.now(),
    )
    endpoint.set_new_secret()
    endpoint.save()
    refused = endpoint.queue("job.succeeded", {"id": str(endpoint.pk), "status": "succeeded"})
    refused.record(
        next_attempt_at=None, attempts=10, answer_status=500, answer_text="Sorry", duration_ms=1312
    )
    return endpoint


def make_version(dataset, user):
    """What the repairs of a dataset make, with a draft of edits."""
    version = versions.repair_dataset(dataset, by=user)
    reading.validate_dataset(version)
    editing.delete_example(version, by=user, position=0)
    editing.add_example(version, by=user, text=SUPPORT.splitlines()[0].decode())
    version.refresh_from_db()
    return version


def upload(organization, user, name, content):
    file = SimpleUploadedFile(f"{name}.jsonl", content)
    return datasets.upload_dataset(organization, by=user, file=file, name=name)


def add_dataset(organization, user, name, content):
    dataset = upload(organization, user, name, content)
    reading.validate_dataset(dataset)
    dataset.refresh_from_db()
    return dataset


def start(organization, user, name, dataset, **choices):
    return jobs.create_job(
        organization, by=user, name=name, dataset=dataset, base_model="gpt-4.1-mini", **choices
    )


def step(job, sandbox, *, seconds):
    sandbox.clock.advance(seconds)
    jobs.advance_job(job)
    job.refresh_from_db()


def finish(job, sandbox):
    while job.is_active:
        step(job, sandbox, seconds=2)

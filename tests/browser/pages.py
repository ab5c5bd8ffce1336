"""Every page, by the name of its picture. Those of PUBLIC are looked at before anybody has signed in.

NO_PAGES are the other routes that take a GET: parts of pages, and files.
"""

from django.urls import reverse

PUBLIC = ("sign-in", "forgotten-password", "new-password-invalid", "invitation", "invitation-invalid")
PAGES = {
    "dashboard": ("finetuning:dashboard", None),
    "organizations": ("finetuning:organizations", None),
    "datasets": ("datasets:list", None),
    "dataset-new": ("datasets:new", None),
    "dataset": ("datasets:detail", "dataset"),
    "dataset-invalid": ("datasets:detail", "invalid_dataset"),
    "dataset-reading": ("datasets:detail", "waiting_dataset"),
    "dataset-problems": ("datasets:problems", "invalid_dataset"),
    "dataset-edit": ("datasets:edit", "dataset"),
    "dataset-version": ("datasets:detail", "version"),
    "dataset-versions": ("datasets:versions", "version"),
    "dataset-diff": ("datasets:diff", "version"),
    "dataset-derive": ("datasets:derive", "dataset"),
    "dataset-example-new": ("datasets:example", "dataset"),
    "dataset-draft": ("datasets:draft", "version"),
    "conversations": ("conversations:list", None),
    "conversation": ("conversations:detail", "conversation"),
    "conversations-import": ("conversations:import", None),
    "jobs": ("jobs:list", None),
    "job-new-dataset": ("jobs:new", None),
    "job": ("jobs:detail", "job"),
    "job-running": ("jobs:detail", "running_job"),
    "job-cancelled": ("jobs:detail", "cancelled_job"),
    "job-pending": ("jobs:detail", "pending_job"),
    "job-events": ("jobs:events", "job"),
    "job-costs": ("jobs:costs", None),
    "job-cancel": ("jobs:cancel", "running_job"),
    "models": ("models_registry:list", None),
    "model": ("models_registry:detail", "model"),
    "agents": ("agents:list", None),
    "agent": ("agents:detail", "agent"),
    "webhooks": ("webhooks:list", None),
    "webhook-new": ("webhooks:new", None),
    "webhook": ("webhooks:detail", "endpoint"),
    "webhook-edit": ("webhooks:edit", "endpoint"),
    "settings": ("settings:organization", None),
    "members": ("members:list", None),
    "workspaces": ("settings:workspaces", None),
    "workspace": ("settings:workspace", "workspace"),
    "provider-accounts": ("provider_accounts:list", None),
    "provider-account-new": ("provider_accounts:new", None),
    "provider-account": ("provider_accounts:detail", "account"),
    "keys": ("keys:list", None),
    "playground": ("playground:show", None),
    "audit": ("settings:audit", None),
    "profile": ("settings:profile", None),
    "second-factor": ("second-factor", None),
    "api-datasets": ("dataset-list", None),
    "api-job": ("job-detail", "running_job"),
}
NO_PAGES = {
    *("healthz", "readyz", "metrics"),
    *("datasets:cards", "datasets:status", "datasets:sample", "datasets:report", "datasets:export"),
    *("jobs:rows", "jobs:progress", "jobs:metrics", "jobs:log"),
}
# With which status those pages answer that do not answer with 200.
STATUSES = {"invitation-invalid": 404, "not-found": 404, "api-refused": 400}


def addresses(world):
    """The address of each page, by its name; `world` is what build_world made."""
    public = {
        "sign-in": reverse("login"),
        "forgotten-password": reverse("forgotten-password"),
        "new-password-invalid": reverse("new-password", args=["unknown", "unknown"]),
        "invitation": reverse("invitation", args=[world["token"]]),
        "invitation-invalid": reverse("invitation", args=["unknown"]),
    }
    found = public | {
        name: reverse(route, args=[world[row].pk] if row else None) for name, (route, row) in PAGES.items()
    }
    chosen = f"{reverse('jobs:new')}?dataset={world['dataset'].pk}"
    versions = f"old={world['invalid_dataset'].pk}&new={world['version'].pk}"
    return found | {
        "api-refused": f"{reverse('job-list')}?status=done",
        "dataset-compare": f"{reverse('datasets:compare', args=[world['version'].pk])}?{versions}",
        "dataset-example": f"{reverse('datasets:example', args=[world['version'].pk])}?position=0",
        "playground-example": f"{reverse('playground:show')}?dataset={world['version'].pk}&position=0",
        "dataset-import": f"{reverse('datasets:new')}?method=import",
        "search": f"{reverse('finetuning:search')}?q=support",
        "job-compare": f"{reverse('jobs:compare')}?jobs={world['job'].pk},{world['running_job'].pk}",
        "job-new-model": chosen,
        "job-new-review": f"{chosen}&base_model=gpt-4.1-mini-2025-04-14&provider=sandbox&name=Support&step=review",
        "webhook-delivery": reverse("webhooks:delivery", args=[world["endpoint"].pk, world["delivery"].pk]),
        "not-found": "/jobs/00000000-0000-0000-0000-000000000000",
    }

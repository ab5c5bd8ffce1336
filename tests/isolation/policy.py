"""Who may do what: one line for each operation. `test_policy.py` names every route and method that has none.

A line is a method, the route's name, the lowest role that may, and, where they are not the usual ones:

- `of`: the kinds of row that the ids in the path name, in their order, by their keys in `rows.py`;
- `send`: a valid body, JSON for the API and a form for a page, in which `Id` stands for the id of a row;
- `query`: parameters that it cannot do without, in the same way; a filter would hide what a list leaks;
- `status`, and `code` of a problem: of the answer to whoever may. Usual are 200; 302 for a form of a page;
  204 for a DELETE;
- `changes`: whether a row changes by it. Usual is yes, but not by a GET;
- `reads_token`: a public operation that looks at an access token if there is one, and so refuses a bad one.
"""

import json
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Any

from tests.isolation.routes import routes


class Level(IntEnum):
    """What is needed. `PUBLIC` asks for nothing, `SIGNED_IN` for no role in particular."""

    PUBLIC = 0
    SIGNED_IN = 1
    VIEWER = 2
    MEMBER = 3
    ADMIN = 4
    OWNER = 5


PUBLIC, SIGNED_IN, VIEWER, MEMBER, ADMIN, OWNER = Level


@dataclass(frozen=True)
class Id:
    """Stands for the id of the row of this kind that the caller's own organization has."""

    kind: str
    attribute: str = "pk"


@dataclass(frozen=True)
class Upload:
    """Stands for a file with these bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Operation:
    method: str
    route: str
    level: Level
    of: str = ""
    send: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    code: str = ""
    changes: bool | None = None
    reads_token: bool = False

    def __str__(self):
        return f"{self.method} {self.route}"

    @property
    def kinds(self):
        return self.of.split()

    @property
    def is_api(self):
        return routes()[self.route].startswith("api/")

    @property
    def is_safe(self):
        return self.method in ("GET", "HEAD", "OPTIONS")

    @property
    def allowed(self):
        """Status and code of the answer to whoever may."""
        usual = {"DELETE": 204} if self.is_api else {"POST": 302}
        return self.status or usual.get(self.method, 200), self.code

    @property
    def does_change(self):
        return not self.is_safe if self.changes is None else self.changes


GET, POST, PUT, PATCH, DELETE = (
    partial(Operation, name) for name in ("GET", "POST", "PUT", "PATCH", "DELETE")
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

NAME = {"name": "Something else"}
DESCRIPTION = {"description": "Something else"}
FILE = Upload("talks.jsonl", b'{"messages": [{"role": "user", "content": "Hi"}]}\n')
EXPORT = Upload("export.jsonl", b'{"conversations": [{"from": "human", "value": "Hi"}]}\n')
INVITATION = {"email": "new@example.com", "role": "member"}
TALK = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
JOB = {"name": "Something else", "datasetId": Id("dataset"), "baseModel": "gpt-4.1-mini", "seed": 7}
JOB_FORM = {"name": "Something else", "dataset": Id("dataset"), "base_model": "gpt-4.1-mini-2025-04-14"}
JOB_FORM |= {"provider": "sandbox", "seed": 7}
ESTIMATE = {"datasetId": Id("dataset"), "baseModel": "gpt-4.1-mini"}
USAGE = {"promptTokens": 1, "completionTokens": 1, "latencyMs": 1}
HOOK_URL = "http://127.0.0.1:9/another"
HOOK = {"url": HOOK_URL, "eventTypes": ["job.failed"]}
HOOK_FORM = {"url": HOOK_URL, "event_types": ["job.failed"]}
SPLIT = {"secondModelId": Id("model"), "secondShare": 10}
SPLIT_FORM = {"second_model": Id("model"), "second_share": 10}
AGENT_FORM = {**DESCRIPTION, "recording": "all", "recorded_percent": 50}

API = [
    # Without a token, and whatever it is.
    POST(
        "token",
        PUBLIC,
        send={"email": "nobody@example.com", "password": "x"},
        status=401,
        code="wrong_credentials",
        changes=False,
    ),
    POST(
        "token-refresh",
        PUBLIC,
        send={"refresh": "x"},
        status=401,
        code="refresh_token_invalid",
        changes=False,
    ),
    POST(
        "token-revoke", PUBLIC, send={"refresh": "x"}, status=401, code="refresh_token_invalid", changes=False
    ),
    *(GET(route, PUBLIC) for route in ("api-schema", "api-docs", "api-redoc")),
    *(
        Operation(method, "api-unknown-path", PUBLIC, of="text", status=404, code="not_found", changes=False)
        for method in METHODS
    ),
    POST(
        "accept-invitation",
        PUBLIC,
        send={"token": "x"},
        status=404,
        code="invitation_not_valid",
        changes=False,
        reads_token=True,
    ),
    # Who am I, and in which organization.
    GET("me", VIEWER),
    POST("token-revoke-all", SIGNED_IN, status=204),
    POST("switch-organization", SIGNED_IN, send={"organizationId": Id("organization")}),
    # The organization, and who and what belongs to it.
    GET("organization-detail", VIEWER),
    PATCH("organization-detail", ADMIN, send=NAME),
    DELETE("organization-detail", OWNER, query={"name": Id("organization", "name")}),
    # Makes another organization, and changes nothing in this one.
    POST("organization-list", SIGNED_IN, send=NAME, status=201, changes=False),
    GET("member-list", VIEWER),
    GET("member-detail", VIEWER, of="colleague"),
    PATCH("member-detail", ADMIN, of="colleague", send={"role": "viewer"}),
    DELETE("member-detail", ADMIN, of="colleague"),
    GET("invitation-list", VIEWER),
    POST("invitation-list", ADMIN, send=INVITATION, status=201),
    GET("invitation-detail", VIEWER, of="invitation"),
    DELETE("invitation-detail", ADMIN, of="invitation"),
    GET("workspace-list", VIEWER),
    POST("workspace-list", ADMIN, send=NAME, status=201),
    GET("workspace-detail", VIEWER, of="workspace"),
    PUT("workspace-detail", ADMIN, of="workspace", send=NAME),
    PATCH("workspace-detail", ADMIN, of="workspace", send=NAME),
    DELETE("workspace-detail", ADMIN, of="empty_workspace"),
    GET("provider-account-list", VIEWER),
    POST("provider-account-list", ADMIN, send={"name": "another", "kind": "sandbox"}, status=201),
    GET("provider-account-detail", VIEWER, of="provider_account"),
    PUT("provider-account-detail", ADMIN, of="provider_account", send={"name": "another"}),
    PATCH("provider-account-detail", ADMIN, of="provider_account", send={"name": "another"}),
    DELETE("provider-account-detail", ADMIN, of="spare_account"),
    POST("provider-account-test", ADMIN, of="provider_account"),
    # Datasets and conversations.
    GET("dataset-list", VIEWER),
    POST("dataset-list", MEMBER, send={**NAME, "file": FILE, "workspaceId": Id("workspace")}, status=201),
    GET("dataset-stats", VIEWER),
    POST(
        "dataset-import-from-conversations",
        MEMBER,
        send={**NAME, "workspaceId": Id("workspace"), "agentId": Id("agent", "name")},
        status=201,
    ),
    GET("dataset-detail", VIEWER, of="dataset"),
    PUT("dataset-detail", MEMBER, of="dataset", send=NAME),
    PATCH("dataset-detail", MEMBER, of="dataset", send=DESCRIPTION),
    DELETE("dataset-detail", OWNER, of="dataset"),
    POST("dataset-validate", MEMBER, of="dataset"),
    GET("dataset-examples", VIEWER, of="dataset"),
    POST("dataset-preview-list", MEMBER, send={"file": FILE}, changes=False),
    # Versions of datasets, beside the operations of fine-tuning.
    GET("version-versions", VIEWER, of="dataset"),
    GET("version-diff", VIEWER, of="version"),
    GET("version-comparison", VIEWER, of="version", query={"againstId": Id("version")}),
    GET("version-lineage", VIEWER, of="version"),
    POST("version-repairs", MEMBER, of="flawed_dataset", status=201),
    POST("version-redaction", MEMBER, of="flawed_dataset", status=201),
    POST("version-filter", MEMBER, of="dataset", send={"keep": "others", "search": "1"}, status=201),
    POST("version-sample", MEMBER, of="dataset", send={**NAME, "count": 10, "seed": 1}, status=201),
    POST("version-split", MEMBER, of="dataset", send={"ratio": 0.2, "seed": 1}, status=201),
    POST(
        "version-merge",
        MEMBER,
        of="flawed_dataset",
        send={**NAME, "datasetIds": [Id("dataset")]},
        status=201,
    ),
    GET("version-problem-report", VIEWER, of="flawed_dataset", query={"fileFormat": "csv"}),
    GET("version-export", VIEWER, of="dataset", query={"fileFormat": "json"}),
    GET("version-edits", VIEWER, of="flawed_dataset"),
    POST("version-edits", MEMBER, of="dataset", send={"kind": "delete", "position": 0}, status=201),
    DELETE("version-edits", MEMBER, of="flawed_dataset"),
    POST("version-save-edits", MEMBER, of="flawed_dataset", status=201),
    GET("conversation-list", VIEWER),
    POST("conversation-list", MEMBER, send={**TALK, "workspaceId": Id("workspace")}, status=201),
    POST(
        "conversation-import-file",
        MEMBER,
        send={"file": EXPORT, "workspaceId": Id("workspace"), "agentId": Id("agent", "name")},
    ),
    POST("conversation-feedback", MEMBER, of="conversation", send={"score": 0.5}),
    # Jobs.
    GET("job-list", VIEWER),
    POST("job-list", MEMBER, send={**JOB, "workspaceId": Id("workspace")}, status=201),
    GET("job-stats", VIEWER),
    POST("job-estimate-cost", MEMBER, send=ESTIMATE, changes=False),
    GET("job-detail", VIEWER, of="job"),
    PUT("job-detail", MEMBER, of="job", send=NAME),
    PATCH("job-detail", MEMBER, of="job", send=DESCRIPTION),
    POST("job-cancel", MEMBER, of="job"),
    GET("job-events", VIEWER, of="job"),
    POST("job-sync", MEMBER, of="finished_job", changes=False),
    # No provider answers here.
    POST("run-pause", MEMBER, of="job", status=409, code="cannot_pause", changes=False),
    POST("run-resume", MEMBER, of="job", status=409, code="cannot_pause", changes=False),
    POST("run-use-checkpoint", MEMBER, of="model_job", send={"checkpoint": "ft:kept"}),
    GET("base-model-list", VIEWER),
    # Models, and the agents and keys through which they are called.
    GET("model-list", VIEWER),
    GET("model-stats", VIEWER),
    GET("model-detail", VIEWER, of="model"),
    PUT("model-detail", MEMBER, of="model", send=NAME),
    PATCH("model-detail", MEMBER, of="model", send=DESCRIPTION),
    DELETE("model-detail", OWNER, of="model"),
    POST("model-deploy", MEMBER, of="model", send={"agentId": Id("agent", "name")}),
    POST("model-undeploy", MEMBER, of="deployed_model", send={"agentId": Id("agent", "name")}),
    POST("model-archive", MEMBER, of="model"),
    POST("model-usage", MEMBER, of="model", send=USAGE),
    GET("agent-list", VIEWER),
    POST(
        "agent-list",
        MEMBER,
        send={"name": "new-bot", "workspaceId": Id("workspace"), "fallbackModelId": Id("model")},
        status=201,
    ),
    GET("agent-detail", VIEWER, of="agent"),
    PUT("agent-detail", MEMBER, of="agent", send={"fallbackModelId": Id("model")}),
    PATCH("agent-detail", MEMBER, of="agent", send={"workspaceId": Id("other_workspace")}),
    POST("agent-split", MEMBER, of="agent", send=SPLIT),
    POST("agent-roll-back", MEMBER, of="agent"),
    GET("agent-switches", VIEWER, of="agent"),
    GET("key-list", VIEWER),
    POST(
        "key-list",
        ADMIN,
        send={**NAME, "agentIds": [Id("agent")], "workspaceIds": [Id("workspace")]},
        status=201,
    ),
    GET("key-detail", VIEWER, of="key"),
    DELETE("key-detail", ADMIN, of="key"),
    GET("usage-list", VIEWER, query={"modelId": Id("model")}),
    # Webhooks.
    GET("webhook-endpoint-list", VIEWER),
    POST("webhook-endpoint-list", ADMIN, send=HOOK, status=201),
    GET("webhook-endpoint-detail", VIEWER, of="endpoint"),
    PUT("webhook-endpoint-detail", ADMIN, of="endpoint", send=HOOK),
    PATCH("webhook-endpoint-detail", ADMIN, of="endpoint", send=DESCRIPTION),
    DELETE("webhook-endpoint-detail", ADMIN, of="endpoint"),
    POST("webhook-endpoint-rotate-secret", ADMIN, of="endpoint"),
    POST("webhook-endpoint-test", ADMIN, of="endpoint", status=202),
    GET("webhook-endpoint-deliveries", VIEWER, of="endpoint"),
    GET("webhook-endpoint-delivery", VIEWER, of="endpoint delivery"),
    POST("webhook-endpoint-resend", ADMIN, of="endpoint delivery", status=202),
]

PAGES = [
    GET("healthz", PUBLIC),
    GET("readyz", PUBLIC),
    *(Operation(method, "metrics", PUBLIC, status=404, changes=False) for method in METHODS),
    POST("providers:webhook", PUBLIC, of="provider_account", status=404, changes=False),
    GET("forgotten-password", PUBLIC),
    POST("forgotten-password", PUBLIC, status=422, changes=False),
    # Without a link that was sent.
    *(
        Operation(method, "new-password", PUBLIC, of="text text", status=200, changes=False)
        for method in ("GET", "POST")
    ),
    # Nobody here has begun to set one up.
    GET("second-factor", SIGNED_IN),
    POST("second-factor", SIGNED_IN, send={"code": "123456"}, status=200, changes=False),
    POST("begin-second-factor", SIGNED_IN, send={"password": "x"}, status=422, changes=False),
    GET("finetuning:dashboard", VIEWER),
    GET("finetuning:search", VIEWER, query={"q": "name"}),
    GET("finetuning:organizations", SIGNED_IN),
    POST("finetuning:switch-organization", SIGNED_IN, of="organization", changes=False),
    GET("datasets:list", VIEWER),
    GET("datasets:cards", VIEWER),
    GET("datasets:new", VIEWER),
    POST("datasets:new", MEMBER, send={**NAME, "file": FILE}),
    POST("datasets:preview", MEMBER, send={"file": FILE}, status=200, changes=False),
    POST("datasets:matching", MEMBER, send={"agent_id": Id("agent", "name")}, status=200, changes=False),
    GET("datasets:sample", VIEWER),
    GET("datasets:detail", VIEWER, of="dataset"),
    GET("datasets:status", VIEWER, of="dataset"),
    GET("datasets:problems", VIEWER, of="dataset"),
    GET("datasets:edit", VIEWER, of="dataset"),
    POST("datasets:edit", MEMBER, of="dataset", send=NAME),
    POST("datasets:validate", MEMBER, of="dataset"),
    POST("datasets:delete", OWNER, of="dataset"),
    GET("datasets:versions", VIEWER, of="version"),
    GET("datasets:diff", VIEWER, of="version"),
    GET("datasets:compare", VIEWER, of="version", query={"old": Id("version"), "new": Id("version")}),
    POST("datasets:repair", MEMBER, of="flawed_dataset"),
    POST("datasets:redact", MEMBER, of="flawed_dataset"),
    GET("datasets:derive", VIEWER, of="dataset"),
    POST(
        "datasets:derive",
        MEMBER,
        of="dataset",
        send={"kind": "merge", **NAME, "others": [Id("flawed_dataset")]},
    ),
    GET("datasets:report", VIEWER, of="flawed_dataset", query={"as": "csv"}),
    GET("datasets:export", VIEWER, of="dataset", query={"as": "jsonl"}),
    GET("datasets:example", VIEWER, of="dataset", query={"position": 1}),
    POST("datasets:example", MEMBER, of="dataset", send={"example": json.dumps(TALK)}),
    GET("datasets:draft", VIEWER, of="flawed_dataset"),
    POST("datasets:save-edits", MEMBER, of="flawed_dataset"),
    POST("datasets:discard-edits", MEMBER, of="flawed_dataset"),
    GET("conversations:list", VIEWER),
    GET("conversations:detail", VIEWER, of="conversation"),
    POST("conversations:feedback", MEMBER, of="conversation", send={"thumb": "down"}),
    GET("conversations:import", VIEWER),
    POST("conversations:import", MEMBER, send={"file": EXPORT}, status=200),
    GET("jobs:list", VIEWER),
    GET("jobs:rows", VIEWER),
    GET("jobs:new", VIEWER, query={**JOB_FORM, "step": "review"}),
    POST("jobs:new", MEMBER, send=JOB_FORM),
    GET("jobs:costs", VIEWER),
    GET("jobs:compare", VIEWER, query={"jobs": Id("job")}),
    POST("jobs:check", VIEWER, send=JOB_FORM, changes=False),
    POST("jobs:estimate", VIEWER, send=JOB_FORM, status=200, changes=False),
    GET("jobs:detail", VIEWER, of="job"),
    GET("jobs:progress", VIEWER, of="job"),
    GET("jobs:metrics", VIEWER, of="job"),
    GET("jobs:events", VIEWER, of="job"),
    GET("jobs:log", VIEWER, of="job"),
    GET("jobs:cancel", VIEWER, of="job"),
    POST("jobs:cancel", MEMBER, of="job"),
    POST("jobs:retry", MEMBER, of="failed_job"),
    POST("jobs:pause", MEMBER, of="job", changes=False),
    POST("jobs:resume", MEMBER, of="job", changes=False),
    POST("jobs:checkpoint", MEMBER, of="model_job", send={"model_id": "ft:kept"}),
    GET("models_registry:list", VIEWER),
    GET("models_registry:detail", VIEWER, of="model"),
    POST("models_registry:deploy", MEMBER, of="model", send={"agent_id": Id("agent", "name")}),
    POST("models_registry:undeploy", MEMBER, of="deployed_model"),
    POST("models_registry:archive", MEMBER, of="model"),
    POST("models_registry:delete", OWNER, of="model"),
    # No provider answers here; that a message is asked for shows that the call was allowed.
    GET("playground:show", VIEWER),
    POST("playground:show", MEMBER, status=422, changes=False),
    POST("playground:ask", MEMBER, status=422, changes=False),
    POST("playground:save", MEMBER, status=302, changes=False),
    GET("agents:list", VIEWER),
    POST("agents:list", MEMBER, send={"name": "new-bot"}),
    GET("agents:detail", VIEWER, of="agent"),
    POST("agents:split", MEMBER, of="agent", send=SPLIT_FORM),
    POST("agents:settings", MEMBER, of="agent", send={**AGENT_FORM, "fallback_model": Id("model")}),
    POST("agents:roll-back", MEMBER, of="agent"),
    GET("keys:list", VIEWER),
    POST(
        "keys:list",
        ADMIN,
        send={**NAME, "agents": [Id("agent")], "workspaces": [Id("workspace")]},
        status=200,
    ),
    POST("keys:revoke", ADMIN, of="key"),
    *(GET(route, VIEWER) for route in ("members:list", "settings:organization", "settings:workspaces")),
    *(
        GET(route, VIEWER)
        for route in ("provider_accounts:list", "provider_accounts:new", "settings:profile")
    ),
    POST("members:list", ADMIN, send=INVITATION, status=200),
    POST("members:role", ADMIN, of="colleague", send={"role": "viewer"}),
    POST("members:remove", ADMIN, of="colleague"),
    POST("members:revoke", ADMIN, of="invitation"),
    *(
        Operation(method, "invitation", PUBLIC, of="text", status=404, changes=False)
        for method in ("GET", "POST")
    ),
    POST("finetuning:organizations", SIGNED_IN, send=NAME, changes=False),
    POST("settings:organization", ADMIN, send=NAME),
    POST("settings:spending", ADMIN, send={"monthly_cap_usd": "20"}),
    POST("settings:delete-organization", OWNER, send={"name": Id("organization", "name")}),
    POST("settings:workspaces", ADMIN, send=NAME),
    GET("settings:workspace", VIEWER, of="workspace"),
    POST("settings:workspace", ADMIN, of="workspace", send=NAME),
    POST("settings:delete-workspace", ADMIN, of="empty_workspace"),
    GET("settings:audit", ADMIN),
    POST("settings:profile", VIEWER, send=NAME),
    # It has none of that id.
    POST("settings:end-sign-in", VIEWER, send={"sign_in": Id("organization")}, changes=False),
    POST("settings:end-session", VIEWER, send={"session": Id("organization")}, changes=False),
    # Each has this one only, and no second factor.
    POST("settings:end-other-sessions", VIEWER, changes=False),
    POST("settings:remove-second-factor", VIEWER, send={"code": "123456"}, changes=False),
    POST("settings:password", VIEWER, send={"old_password": "x"}, status=422, changes=False),
    POST("provider_accounts:new", ADMIN, send={"name": "another", "kind": "sandbox"}),
    GET("provider_accounts:detail", VIEWER, of="provider_account"),
    POST("provider_accounts:detail", ADMIN, of="provider_account", send={"name": "another"}),
    POST("provider_accounts:test", ADMIN, of="provider_account"),
    POST("provider_accounts:delete", ADMIN, of="spare_account"),
    GET("webhooks:list", VIEWER),
    GET("webhooks:new", VIEWER),
    POST("webhooks:new", ADMIN, send=HOOK_FORM, status=200),
    GET("webhooks:detail", VIEWER, of="endpoint"),
    GET("webhooks:edit", VIEWER, of="endpoint"),
    POST("webhooks:edit", ADMIN, of="endpoint", send=HOOK_FORM),
    POST("webhooks:rotate", ADMIN, of="endpoint", status=200),
    POST("webhooks:test", ADMIN, of="endpoint"),
    POST("webhooks:delete", ADMIN, of="endpoint"),
    GET("webhooks:delivery", VIEWER, of="endpoint delivery"),
    POST("webhooks:resend", ADMIN, of="endpoint delivery"),
]

OPERATIONS = {str(operation): operation for operation in [*API, *PAGES]}

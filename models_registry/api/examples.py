"""Examples for the description of the API."""

from finetuning.api.examples import (
    BASE_MODEL,
    CREATED_AT,
    DATASET_ID,
    JOB_ID,
    MODEL_ID,
    ORGANIZATION_ID,
    UPDATED_AT,
)

MODEL = {
    "id": MODEL_ID,
    "organizationId": ORGANIZATION_ID,
    "workspaceId": None,
    "jobId": JOB_ID,
    "job": {
        "id": JOB_ID,
        "name": "Support answers, first try",
        "completedAt": CREATED_AT,
        "dataset": {"id": DATASET_ID, "name": "Support answers"},
    },
    "name": "Support answers, first try",
    "description": "",
    "baseModel": BASE_MODEL,
    "provider": "sandbox",
    "providerModelId": "ft:gpt-4.1-mini-2025-04-14:sandbox:support:9xQw3LtZ",
    "trainingAccuracy": 0.81,
    "validationAccuracy": 0.78,
    "finalLoss": 0.84,
    "deployed": True,
    "deployedAt": UPDATED_AT,
    "deploymentCount": 1,
    "totalRequests": 12,
    "totalTokensUsed": 4310,
    "averageLatencyMs": 412.5,
    "version": 1,
    "parentModelId": None,
    "status": "active",
    "retiresAt": "2027-01-14T00:00:00Z",
    "createdAt": CREATED_AT,
    "updatedAt": UPDATED_AT,
    "archivedAt": None,
}
UPDATE = {"name": "Support, spring", "description": "Replaced by the summer one", "status": "deprecated"}
AGENT = {"agentId": "support-desk"}
USAGE = {"requests": 1, "promptTokens": 320, "completionTokens": 45, "latencyMs": 410}
STATS = {
    "totalModels": 2,
    "deployedModels": 1,
    "activeModels": 2,
    "archivedModels": 0,
    "totalTokensUsed": 4310,
    "totalRequests": 12,
    "averageLatencyMs": 412.5,
    "byProvider": {"sandbox": 2},
    "byBaseModel": {BASE_MODEL: 2},
}

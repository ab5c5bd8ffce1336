"""Examples for the description of the API."""

from typing import Any

from finetuning.api.examples import (
    BASE_MODEL,
    CREATED_AT,
    DATASET_ID,
    JOB_ID,
    MODEL_ID,
    ORGANIZATION_ID,
    PERSON,
    UPDATED_AT,
)

CREATE: dict[str, Any] = {
    "name": "Support answers, first try",
    "datasetId": DATASET_ID,
    "baseModel": BASE_MODEL,
    "hyperparameters": {"n_epochs": 3},
    "validationSplit": 0.1,
    "suffix": "support",
}
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "organizationId": ORGANIZATION_ID,
    "workspaceId": None,
    "datasetId": DATASET_ID,
    "dataset": {"id": DATASET_ID, "name": "Support answers", "totalExamples": 999},
    "name": "Support answers, first try",
    "description": "",
    "baseModel": BASE_MODEL,
    "provider": "sandbox",
    "providerJobId": "ftjob-4Xk2mPq9",
    "method": "supervised",
    "hyperparameters": {"n_epochs": 3},
    "validationSplit": 0.1,
    "suffix": "support",
    "seed": 42,
    "status": "succeeded",
    "progressPercentage": 100.0,
    "currentEpoch": 3,
    "totalEpochs": 3,
    "trainedTokens": 165332,
    "trainingLoss": 0.84,
    "validationLoss": 0.91,
    "resultModelId": MODEL_ID,
    "estimatedCostUsd": 0.83,
    "actualCostUsd": 0.83,
    "errorCode": "",
    "errorMessage": "",
    "startedAt": CREATED_AT,
    "completedAt": UPDATED_AT,
    "cancelledAt": None,
    "estimatedFinishAt": UPDATED_AT,
    "creator": PERSON,
    "createdAt": CREATED_AT,
    "updatedAt": UPDATED_AT,
}
STATS = {
    "totalJobs": 4,
    "activeJobs": 1,
    "byStatus": {
        "pending": 0,
        "validating": 0,
        "queued": 0,
        "running": 1,
        "succeeded": 2,
        "failed": 1,
        "cancelled": 0,
    },
    "spentUsd": 12.5,
    "successRate": 0.67,
    "medianDurationSeconds": 1260.0,
}
ESTIMATE = {"datasetId": DATASET_ID, "baseModel": BASE_MODEL, "epochs": 3, "validationSplit": 0.1}
COST = {
    "estimatedCostUsd": 0.83,
    "totalTokens": 61234,
    "trainingTokens": 55111,
    "validationTokens": 6123,
    "epochs": 3,
    "baseModel": BASE_MODEL,
    "breakdown": {"trainingCost": 0.83, "validationCost": 0.0},
    "priceAsOf": "2025-12-01",
}
EVENT = {
    "id": "0199f3ab-2d61-7f04-8b39-6d2e1c5a7f90",
    "jobId": JOB_ID,
    "eventType": "metrics",
    "message": "Step 100/300: training loss=0.97",
    "metadata": {"step": 100, "total_steps": 300, "train_loss": 0.97},
    "createdAt": UPDATED_AT,
}

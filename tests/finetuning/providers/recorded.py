"""Answers as OpenAI's API was seen to give them, with their odd shapes."""

import httpx2

FILE = {
    "object": "file",
    "id": "file-5uHzhrLZ3rVSMjFQ6xC4Ck",
    "purpose": "fine-tune",
    "filename": "ft-job-1-training.jsonl",
    "bytes": 1,
    "created_at": 1729085000,
    "status": "processed",
    "status_details": None,
}

# A healthy job's error is an empty object, and what is still to be settled says "auto".
JOB = {
    "object": "fine_tuning.job",
    "id": "ftjob-e2pZIhTy3cGbi6hIoKIhqTN8",
    "model": "gpt-4.1-mini-2025-04-14",
    "created_at": 1729085100,
    "finished_at": None,
    "fine_tuned_model": None,
    "organization_id": "org-0123",
    "result_files": [],
    "status": "validating_files",
    "validation_file": None,
    "training_file": FILE["id"],
    "hyperparameters": {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"},
    "trained_tokens": None,
    "error": {},
    "user_provided_suffix": "contract",
    "seed": 7,
    "estimated_finish": None,
    "integrations": [],
    "metadata": {"ft_job": "job-1"},
    "method": {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": "auto"}},
    },
}

EVENTS = [
    {
        "object": "fine_tuning.job.event",
        "id": "ftevent-3",
        "created_at": 1729085400,
        "level": "info",
        "message": "Step 1/30: training loss=2.22",
        "type": "metrics",
        "data": {"step": 1, "total_steps": 30, "train_loss": 2.22, "valid_loss": None},
    },
    {
        "object": "fine_tuning.job.event",
        "id": "ftevent-2",
        "created_at": 1729085300,
        "level": "info",
        "message": "Fine-tuning job started",
        "type": "message",
        "data": None,
    },
    {
        "object": "fine_tuning.job.event",
        "id": "ftevent-1",
        "created_at": 1729085100,
        "level": "info",
        "message": "Created fine-tuning job: ftjob-e2pZIhTy3cGbi6hIoKIhqTN8",
        "type": "message",
        "data": {},
    },
]

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1729090000,
    "model": "ft:gpt-4.1-mini-2025-04-14:acme:contract:AbCd1234",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris.", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 14, "completion_tokens": 2, "total_tokens": 16},
}


def refusal(status, message, *, code=None, param=None, headers=None):
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return httpx2.Response(status, json={"error": error}, headers=headers)


def listing(rows, **page):
    return httpx2.Response(200, json={"object": "list", "data": rows, "has_more": False} | page)


def text(status, body, **headers):
    return httpx2.Response(status, content=body.encode(), headers=headers)

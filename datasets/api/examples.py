"""Examples for the description of the API."""

from typing import Any

from finetuning.api.examples import (
    CREATED_AT,
    DATASET_ID,
    MESSAGES,
    ORGANIZATION_ID,
    PERSON,
    UPDATED_AT,
    WORKSPACE_ID,
)

UPLOAD = {"name": "Support answers", "file": "support-answers.jsonl", "format": "jsonl"}
IMPORT = {
    "name": "Good talks of March",
    "agentId": "support-desk",
    "tags": ["billing"],
    "startDate": "2026-03-01",
    "endDate": "2026-03-31",
    "minQualityScore": 0.8,
    "deduplicate": True,
    "maxExamples": 1000,
}
DATASET: dict[str, Any] = {
    "id": DATASET_ID,
    "organizationId": ORGANIZATION_ID,
    "workspaceId": WORKSPACE_ID,
    "name": "Support answers",
    "description": "Answers that customers liked",
    "fileName": "support-answers.jsonl",
    "fileSizeBytes": 184320,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "files": [{"name": "support-answers.jsonl", "sizeBytes": 184320, "firstLine": 1}],
    "format": "jsonl",
    "layout": "chat",
    "columnMapping": {},
    "source": "upload",
    "sourceFilters": None,
    "status": "valid",
    "progressPercentage": 100,
    "validated": True,
    "validationErrors": [],
    "totalExamples": 999,
    "totalTokens": 61234,
    "creator": PERSON,
    "createdAt": CREATED_AT,
    "updatedAt": UPDATED_AT,
    "seriesId": DATASET_ID,
    "version": 1,
    "parentId": None,
    "change": None,
    "supersededAt": None,
}
DETAIL = DATASET | {
    "validationReport": {
        "totalLines": 1001,
        "totalExamples": 999,
        "rejectedLines": 0,
        "blankLines": 2,
        "problemCounts": {"blank_line": 2},
        "validatedAt": UPDATED_AT,
    },
    "quality": {
        "health": {
            "score": 98,
            "parts": [
                {
                    "name": "unique",
                    "points": 96,
                    "weight": 25,
                    "reason": "9 of 999: examples repeat an earlier one.",
                }
            ],
        },
        "exactDuplicates": 7,
        "nearDuplicates": 2,
        "privateData": {"email": 1},
        "statistics": {
            "examples": 999,
            "totalTokens": 61234,
            "meanTokens": 61.3,
            "longestTokens": 240,
            "truncatedExamples": 0,
            "tokensHistogram": {"64": 611, "128": 370, "256": 18},
            "turnsHistogram": {"2": 800, "4": 199},
            "roles": {"assistant": 1198, "user": 1198},
            "imageExamples": 0,
            "toolExamples": 0,
            "answers": 1198,
            "emptyAnswers": 0,
            "refusals": 3,
            "answerCharacters": 91000,
            "withoutSystemPrompt": 999,
            "systemPrompts": {},
            "languages": {"en": 0.98, "de": 0.02},
        },
    },
}
STATS = {
    "totalDatasets": 3,
    "totalExamples": 2411,
    "totalTokens": 150233,
    "totalSizeBytes": 522311,
    "validatedDatasets": 2,
    "byFormat": {"jsonl": 2, "csv": 1},
    "bySource": {"upload": 2, "conversations": 1},
}
VALIDATION = {"valid": True, "totalExamples": 999, "totalTokens": 61234, "errors": []}
PROBLEM = {
    "code": "duplicate",
    "severity": "warning",
    "line": 7,
    "file": "",
    "fileLine": 7,
    "pointer": "",
    "message": "The same example stands on line 3.",
    "found": "",
    "expected": "",
    "fix": "Keep one of them.",
}
EXAMPLE = {
    "position": 6,
    "messages": MESSAGES,
    "tokenCount": 31,
    "problems": [PROBLEM],
    "conversationId": None,
}
PREVIEW = {
    "format": "csv",
    "layout": "columns",
    "columns": ["question", "answer"],
    "columnMapping": {"question": "user", "answer": "assistant"},
    "complete": False,
    "rows": [
        {
            "line": 2,
            "accepted": True,
            "row": {"messages": MESSAGES},
            "tokenCount": 31,
            "problems": [],
        }
    ],
    "problems": [],
}

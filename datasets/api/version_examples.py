"""Examples of versions, drafts and lineage for the description of the API."""

from typing import Any

from datasets.api.examples import DATASET
from finetuning.api.examples import CREATED_AT, DATASET_ID, JOB_ID, MESSAGES, MODEL_ID, PERSON

VERSION_ID = "0199f3c1-6b3a-7f10-9d44-2a7e8c5b1f93"
FILTER = {"keep": "others", "problem": "duplicate"}
SAMPLE = {"name": "A hundred of them", "count": 100, "seed": 7}
SPLIT = {"ratio": 0.1, "seed": 7}
MERGE = {"name": "Both together", "datasetIds": [VERSION_ID]}
VERSION = DATASET | {
    "id": VERSION_ID,
    "version": 2,
    "parentId": DATASET_ID,
    "change": {"kind": "repairs", "counts": {"kept": 962, "changed": 37, "mended": 41}},
}
PARTS = {"training": VERSION, "validation": VERSION | {"id": MODEL_ID}}
CHANGE = {
    "number": 1,
    "kind": "changed",
    "parentLine": 7,
    "line": 7,
    "details": [{"pointer": "/messages/0/role", "before": "User ", "after": "user"}],
}
COMPARISON = {
    "counts": {"kept": 962, "changed": 1, "removed": 37, "added": 0},
    "compared": {"old": 1000, "new": 963},
    "changes": [CHANGE],
    "nextStart": "7-7",
}
NEW_EDIT = {"kind": "change", "position": 6, "example": {"messages": MESSAGES}}
EDIT: dict[str, Any] = NEW_EDIT | {"creator": PERSON, "createdAt": CREATED_AT}
RELATED = {"id": DATASET_ID, "name": "Support answers", "version": 1, "deleted": False, "change": None}
LINEAGE = {
    "conversations": 0,
    "totalExamples": 999,
    "sources": [RELATED],
    "version": RELATED | {"id": VERSION_ID, "version": 2, "change": VERSION["change"]},
    "derived": [],
    "jobs": [
        {
            "id": JOB_ID,
            "name": "Support bot",
            "status": "succeeded",
            "model": {"id": MODEL_ID, "name": "Support bot", "version": 1},
        }
    ],
}
ROW = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'
REPORT_LINE = (
    '{"severity":"warning","code":"duplicate","line":7,"pointer":"","message":"The same example stands on '
    'line 3.","found":"","expected":"","fix":"Keep one of them."}\n'
)
REPORT_CSV = (
    '"severity","code","line","pointer","message","found","expected","fix"\r\n'
    '"warning","duplicate","7","","The same example stands on line 3.","","","Keep one of them."\r\n'
)

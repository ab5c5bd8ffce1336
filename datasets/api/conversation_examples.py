"""Examples of conversations in the description of the API."""

from finetuning.api.examples import CREATED_AT, MESSAGES, UPDATED_AT

RECORD = {
    "externalId": "talk-4711",
    "agentId": "support-desk",
    "model": "gpt-4.1-mini",
    "tags": ["billing"],
    "messages": MESSAGES,
    "qualityScore": 0.9,
    "occurredAt": CREATED_AT,
}
FEEDBACK = {"thumb": "down", "correctedAnswer": "Open Settings, Security, and choose “Reset password”."}
CONVERSATION = RECORD | {
    "correctedAnswer": "",
    "id": "0199f3a9-04c7-7d1e-b2a6-8f5e3c0d9a14",
    "workspaceId": None,
    "createdAt": UPDATED_AT,
}
EXPORT = {"file": "conversations.json", "kind": "chatgpt", "agentId": "support-desk"}
RECORDED = {
    "kind": "chatgpt",
    "imported": 212,
    "repeated": 3,
    "refused": 1,
    "problemCount": 1,
    "problems": [
        {
            "code": "not_a_conversation",
            "severity": "error",
            "line": 3120,
            "pointer": "/current_node",
            "message": "It does not say which message is the last.",
            "found": "",
            "expected": "",
            "fix": "Correct it, or say which kind of export the file is.",
        }
    ],
}

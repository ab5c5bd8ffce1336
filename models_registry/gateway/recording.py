"""Keeping what was said, where the agent's settings and the end user allow it."""

import logging
import random
from typing import Any

import msgspec

from finetuning import strict_json
from models_registry.gateway.bodies import UNREADABLE, Call, Fields
from models_registry.gateway.errors import Headers
from models_registry.gateway.routes import Recording, Route
from models_registry.usage import Said

logger = logging.getLogger(__name__)

CONSENT = (b"x-attune-consent", b"yes")


class FunctionPiece(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: FunctionPiece | None = None


class Delta(msgspec.Struct):
    """What one event adds to an answer."""

    content: str | None = None
    tool_calls: list[CallPiece] | None = None


class Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    message: dict[str, Any] | None = None


class Recorder:
    """Collects the first choice of one answer."""

    def __init__(self, recording: Recording, call: Call) -> None:
        self._recording = recording
        self._call = call
        self._id: str | None = None
        self._message: dict[str, Any] | None = None
        self._texts: list[str] = []
        self._tool_calls: dict[int, CallPiece] = {}

    def see(self, fields: Fields) -> None:
        """Take in an answer, or an event of one. What is not of the protocol's shape is passed over."""
        try:
            choices = msgspec.json.decode(fields["choices"], type=list[Choice])
            self._id = self._id or msgspec.json.decode(fields["id"], type=str)
        except (KeyError, *UNREADABLE):
            return
        for choice in choices:
            if choice.index == 0:
                self._message = choice.message or self._message
                self._add(choice.delta or Delta())

    def _add(self, delta: Delta) -> None:
        self._texts.append(delta.content or "")
        for piece in delta.tool_calls or []:
            call = self._tool_calls.setdefault(piece.index, CallPiece(function=FunctionPiece("", "")))
            call.id = call.id or piece.id
            if piece.function is not None and call.function is not None:
                call.function.name = (call.function.name or "") + (piece.function.name or "")
                call.function.arguments = (call.function.arguments or "") + (piece.function.arguments or "")

    def said(self) -> Said | None:
        """The whole conversation; None when there was no answer, or the question cannot be read."""
        answer = self._message or self._streamed()
        if answer is None or "messages" not in self._call.fields:
            return None
        kept = {name: value for name, value in answer.items() if value not in (None, [])}
        try:
            asked = strict_json.loads(bytes(self._call.fields["messages"]))
            said = strict_json.loads(msgspec.json.encode(kept))
        except strict_json.StrictJSONError as error:
            logger.warning("a conversation of %s cannot be kept: %s", self._recording.agent_name, error.code)
            return None
        if not isinstance(asked, list):
            return None
        return Said(
            agent_name=self._recording.agent_name,
            workspace_id=self._recording.workspace_id,
            external_id=self._id,
            messages=[*asked, said],
        )

    def _streamed(self) -> dict[str, Any] | None:
        calls = [
            {"id": call.id, "type": "function", "function": msgspec.to_builtins(call.function)}
            for _, call in sorted(self._tool_calls.items())
        ]
        text = "".join(self._texts)
        if not text and not calls:
            return None
        return {"role": "assistant", "content": text or None, "tool_calls": calls}


def recorder_for(route: Route, call: Call, headers: Headers) -> Recorder | None:
    """Whoever collects the answer of this call; None when it is not to be kept."""
    recording = route.recording
    if recording is None or (recording.needs_consent and not _consents(headers)):
        return None
    is_drawn = random.random() * 100 < recording.percent  # nosec B311 # noqa: S311 - no secret
    return Recorder(recording, call) if is_drawn else None


def _consents(headers: Headers) -> bool:
    return any((name, value.strip().lower()) == CONSENT for name, value in headers)

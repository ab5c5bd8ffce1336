"""What a "tuned" model says: the reply of the training example whose user turn is nearest to the question."""

import math
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

from finetuning.sandbox.examples import conversations, text_of, turns
from finetuning.sandbox.http import Json
from finetuning.sandbox.state import Sandbox

# Beyond this many turns an index would take more memory than a rehearsal is worth; the first ones are kept.
MAX_INDEXED_TURNS = 50_000
KEPT_INDEXES = 4


class AnswerIndex:
    """TF-IDF vectors of all user turns that are followed by the assistant; searched by cosine."""

    def __init__(self, path: Path) -> None:
        self.replies: list[Json] = []
        terms: list[Counter[str]] = []
        for example in conversations(path):
            for question, reply in _pairs(turns(example)):
                if len(self.replies) < MAX_INDEXED_TURNS:
                    terms.append(_terms(question))
                    self.replies.append(reply)
        documents = Counter(term for counted in terms for term in counted)
        self.rarity = {term: math.log(1 + len(terms) / count) for term, count in documents.items()}
        self.postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for position, counted in enumerate(terms):
            for term, weight in self._unit_vector(counted).items():
                self.postings[term].append((position, weight))

    def best_reply(self, question: str) -> Json | None:
        """Return the reply of the nearest turn, the earliest of equals; None for a file without any."""
        scores: dict[int, float] = defaultdict(float)
        for term, weight in self._unit_vector(_terms(question)).items():
            for position, other in self.postings.get(term, []):
                scores[position] += weight * other
        if not self.replies:
            return None
        # Rounded, or else the order of additions would break ties.
        return self.replies[max(scores, key=lambda at: (round(scores[at], 9), -at), default=0)]

    def _unit_vector(self, counted: Counter[str]) -> dict[str, float]:
        weights = {
            term: (1 + math.log(count)) * self.rarity[term]
            for term, count in counted.items()
            if term in self.rarity
        }
        norm = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {term: weight / norm for term, weight in weights.items()} if norm else {}


def reply_of_tuned(sandbox: Sandbox, training_file: str, messages: list[Json]) -> Json | None:
    """Return the assistant message for the last user turn; None when the model learned from no replies."""
    path = sandbox.store.training_path(training_file)
    if not training_file or not path.exists():
        return None
    index = sandbox.indexes.get(training_file)
    if index is None:
        index = AnswerIndex(path)
        sandbox.indexes[training_file] = index
        while len(sandbox.indexes) > KEPT_INDEXES:
            sandbox.indexes.popitem(last=False)
    return index.best_reply(last_user_text(messages))


def last_user_text(messages: list[Json]) -> str:
    """Return the text of the last user message, or of the last message when there is none."""
    asked = [message for message in messages if message.get("role") == "user"] or messages
    return text_of(asked[-1].get("content")) if asked else ""


def _pairs(messages: list[Json]) -> list[tuple[str, Json]]:
    return [
        (text_of(question.get("content")), reply)
        for question, reply in pairwise(messages)
        if question["role"] == "user" and reply["role"] == "assistant"
    ]


def _terms(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))

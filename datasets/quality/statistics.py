"""Counts over rows: lengths, roles, answers, system prompts, languages."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import msgspec

from datasets.quality import languages
from datasets.quality.answers import is_refusal
from datasets.quality.texts import Row, messages_of
from datasets.validation import MAX_EXAMPLE_TOKENS
from datasets.validation.parts import has_images
from datasets.validation.plain import Message

# Distinct system prompts that are told apart, and by how much of each. Less is shown, for private data that
# is cut through is not known as such.
KEPT_PROMPTS = 1_000
PROMPT_CHARACTERS = 400
# Languages are told from this many texts, chosen by hash: any order of rows gives the same ones.
LANGUAGE_SAMPLES = 200
LANGUAGE_CHARACTERS = 400
MIN_LANGUAGE_CHARACTERS = 20


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens_histogram` maps the upper end of each doubling to the number of examples; `system_prompts` maps
    the beginning of each prompt to its examples, the most frequent first; `languages` maps BCP 47 codes
    to shares of the texts looked at.
    """

    examples: int
    total_tokens: int
    mean_tokens: float
    longest_tokens: int
    truncated_examples: int
    tokens_histogram: dict[int, int]
    turns_histogram: dict[int, int]
    roles: dict[str, int]
    image_examples: int
    tool_examples: int
    answers: int
    empty_answers: int
    refusals: int
    answer_characters: int
    without_system_prompt: int
    system_prompts: dict[str, int]
    languages: dict[str, float]


class Statistics(msgspec.Struct, kw_only=True):
    """The counts of some rows; those of other rows of the same file can be merged in."""

    examples: int = 0
    total_tokens: int = 0
    longest_tokens: int = 0
    truncated_examples: int = 0
    image_examples: int = 0
    tool_examples: int = 0
    answers: int = 0
    empty_answers: int = 0
    refusals: int = 0
    answer_characters: int = 0
    without_system_prompt: int = 0
    tokens_histogram: dict[int, int] = msgspec.field(default_factory=dict)
    turns_histogram: dict[int, int] = msgspec.field(default_factory=dict)
    roles: dict[str, int] = msgspec.field(default_factory=dict)
    system_prompts: dict[str, int] = msgspec.field(default_factory=dict)
    samples: dict[int, str] = msgspec.field(default_factory=dict)
    sampled_below: int = 1 << 32

    def add(self, row: Row, texts: list[str], *, tokens: int) -> None:
        """Count one row; `texts` are those of its messages."""
        messages = messages_of(row)
        self._add_size(len(messages), tokens)
        self.image_examples += has_images(messages)
        self.tool_examples += any(message.get("tool_calls") for message in messages)
        for message, text in zip(messages, texts, strict=True):
            _count(self.roles, message["role"])
            if message["role"] == "assistant":
                self._add_answer(message, text)
        self._add_system_prompt(messages[0]["role"], texts[0])
        self._add_sample(texts[-1])

    def add_plain(self, rows: list[list[Message]], *, tokens: list[int]) -> None:
        """Count one or more rows of nothing but texts, all at once, which costs less than one by one."""
        self.examples += len(rows)
        self.total_tokens += sum(tokens)
        self.longest_tokens = max(self.longest_tokens, *tokens)
        self.truncated_examples += sum(count > MAX_EXAMPLE_TOKENS for count in tokens)
        _count_all(self.tokens_histogram, map(_doubling, tokens))
        _count_all(self.turns_histogram, map(_doubling, map(len, rows)))
        _count_all(self.roles, [message.role for row in rows for message in row])
        answers = [message.content for row in rows for message in row if message.role == "assistant"]
        self.answers += len(answers)
        self.answer_characters += sum(map(len, answers))
        self.refusals += sum(map(is_refusal, answers))
        for messages in rows:
            self._add_system_prompt(messages[0].role, messages[0].content)
            self._add_sample(messages[-1].content)

    def merge(self, other: "Statistics") -> None:
        """Add the counts of `other`."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "sampled_below":
                continue
            if name == "longest_tokens":
                self.longest_tokens = max(mine, theirs)
            elif name == "samples":
                # Of two texts that begin alike, the same one stays whatever the order.
                self.samples = {key: max(mine.get(key, ""), theirs.get(key, "")) for key in mine | theirs}
                self._keep_samples()
            elif name == "system_prompts":
                for prompt, count in theirs.items():
                    self._count_prompt(prompt, count)
            elif isinstance(mine, dict):
                for key, count in theirs.items():
                    mine[key] = mine.get(key, 0) + count
            else:
                setattr(self, name, mine + theirs)

    def summary(self) -> Summary:
        """The counts in the order in which they are shown."""
        self._keep_samples()
        counted = {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if name not in {"samples", "sampled_below"}
        }
        prompts = sorted(self.system_prompts.items(), key=lambda item: (-item[1], item[0]))
        shown = {
            "tokens_histogram": dict(sorted(self.tokens_histogram.items())),
            "turns_histogram": dict(sorted(self.turns_histogram.items())),
            "roles": dict(sorted(self.roles.items())),
            "system_prompts": dict(prompts),
            "languages": languages.shares(list(self.samples.values())),
            "mean_tokens": round(self.total_tokens / max(1, self.examples), 1),
        }
        return Summary(**counted | shown)

    def _add_size(self, messages: int, tokens: int) -> None:
        self.examples += 1
        self.total_tokens += tokens
        self.longest_tokens = max(self.longest_tokens, tokens)
        self.truncated_examples += tokens > MAX_EXAMPLE_TOKENS
        _count(self.tokens_histogram, _doubling(tokens))
        _count(self.turns_histogram, _doubling(messages))

    def _add_answer(self, message: Mapping[str, Any], text: str) -> None:
        self.answers += 1
        self.answer_characters += len(text)
        says_nothing = not text.strip() and not message.get("tool_calls") and not message.get("function_call")
        refuses = bool(message.get("refusal")) or is_refusal(text)
        self.empty_answers += says_nothing and not refuses
        self.refusals += refuses

    def _add_system_prompt(self, role: str, text: str) -> None:
        if role not in {"system", "developer"}:
            self.without_system_prompt += 1
            return
        self._count_prompt(text[:PROMPT_CHARACTERS], 1)

    def _count_prompt(self, prompt: str, count: int) -> None:
        if prompt in self.system_prompts or len(self.system_prompts) < KEPT_PROMPTS:
            self.system_prompts[prompt] = self.system_prompts.get(prompt, 0) + count

    def _add_sample(self, text: str) -> None:
        start = text[:MIN_LANGUAGE_CHARACTERS]
        key = crc32(start.encode())
        if key <= self.sampled_below and len(start) == MIN_LANGUAGE_CHARACTERS:
            self.samples[key] = max(text[:LANGUAGE_CHARACTERS], self.samples.get(key, ""))
            if len(self.samples) > 2 * LANGUAGE_SAMPLES:
                self._keep_samples()

    def _keep_samples(self) -> None:
        kept = sorted(self.samples)[:LANGUAGE_SAMPLES]
        self.samples = {key: self.samples[key] for key in kept}
        if len(kept) == LANGUAGE_SAMPLES:
            self.sampled_below = kept[-1]


def _count(counts: dict[Any, int], key: int | str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _count_all(counts: dict[Any, int], keys: Iterable[int | str]) -> None:
    for key, count in Counter(keys).items():
        counts[key] = counts.get(key, 0) + count


def _doubling(size: int) -> int:
    """The smallest power of two that is not below `size`, from 1 on."""
    return 1 << max(0, size - 1).bit_length()
